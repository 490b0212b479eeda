"""Makes text whole that a provider cut inside a character.

Providers that write JSON with \\uXXXX escapes may cut an emoji between its two surrogates. Half a pair can be
neither stored nor sent (UTF-8 has no form for it), so the first half waits for the second; one that stays
alone becomes U+FFFD.
"""

REPLACEMENT = "\ufffd"


class SurrogateJoiner:
	"""`join()` each delta of one kind in order; `end()` gives what is left."""

	__slots__ = ("_high",)

	def __init__(self) -> None:
		self._high = ""

	def join(self, text: str) -> str:
		# isascii and a plain encode are C loops over the delta: nearly every delta stops here.
		if not self._high and (text.isascii() or not _has_surrogate(text)):
			return text
		text = self._high + text
		self._high = ""
		if text and "\ud800" <= text[-1] <= "\udbff":
			self._high, text = text[-1], text[:-1]
		return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")

	def end(self) -> str:
		high, self._high = self._high, ""
		return REPLACEMENT if high else ""


def _has_surrogate(text: str) -> bool:
	try:
		text.encode()
	except UnicodeEncodeError:
		return True
	return False
