"""Joins the two halves of a character that a provider or client sent apart.

JSON with \\uXXXX escapes can cut an emoji between its two surrogates. Half a pair can be neither stored nor sent, because
UTF-8 has no form for it.
"""


def join_surrogates(text: str) -> str:
	"""Joins the pairs of surrogates in a text, and replaces each lone one with U+FFFD."""
	# Both checks are C loops, and nearly every text passes one.
	if text.isascii():
		return text
	try:
		text.encode()
	except UnicodeEncodeError:
		return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
	return text


class SurrogateJoiner:
	"""Joins surrogates across the deltas of one kind: call `join` with each delta in order, then `end`."""

	__slots__ = ("_high",)

	def __init__(self) -> None:
		self._high = ""

	def join(self, text: str) -> str:
		"""Returns the delta with its pairs joined. A high surrogate at its end waits for the next delta."""
		text = self._high + text
		self._high = ""
		if text and "\ud800" <= text[-1] <= "\udbff":
			self._high, text = text[-1], text[:-1]
		return join_surrogates(text)

	def end(self) -> str:
		"""Returns the replacement of a high surrogate that still waits."""
		high, self._high = self._high, ""
		return join_surrogates(high)
