"""Shortens a conversation of an agent that a model's context window cannot hold.

The oldest answers to tool calls are replaced by a note. What is replaced depends only on the messages and on the window:
the whole conversation is followed from its beginning, as if each of its requests was trimmed when it was sent. So the
next request begins with the same text, which the provider has in its cache, until the window is full again.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from .chunks import Ask, Trimmed
from .sizes import bytes_of, bytes_of_tools
from .usage import BYTES_PER_TOKEN, estimated_tokens

NOTE = "This tool result was removed to save space. Call the tool again if you need it."
# A result whose message is shorter than this is not replaced.
MIN_RESULT_BYTES = 400
# The app begins to replace results when the prompt fills FULL of the window, and stops below ENOUGH. Estimates of tokens
# are often too low.
FULL, ENOUGH = 0.75, 0.45
_END: dict[str, Any] = {"role": "end"}
# The smallest window that is tried after a provider has refused a longer prompt.
MIN_TOKENS = 1024


def fit(ask: Ask, window: int | None) -> tuple[Ask, Trimmed | None]:
	"""Replaces the oldest tool results of a question until it fits. The results that the model has not seen yet stay.

	Args:
		ask: the question; it is not changed.
		window: the most tokens of a prompt, None if that is unknown. Nothing is replaced then.

	Returns: the question, and what was left out of it. It may still be too long.
	"""
	if window is None:
		return ask, None
	saved = _saved(ask, window * BYTES_PER_TOKEN)
	if not saved:
		return ask, None
	messages = [_noted(message) if n in saved else message for n, message in enumerate(ask.messages)]
	return replace(ask, messages=messages), Trimmed(len(saved), estimated_tokens(sum(saved.values())))


def smaller_windows(ask: Ask, window: int | None) -> Iterator[int]:
	"""Yields windows to try after a provider has refused a question as too long: powers of two.

	They are the same from round to round, so that the provider's cache is found again.

	Args:
		ask: the question, before anything was replaced.
		window: the window with which the refused question was trimmed, None if that is unknown.
	"""
	tokens = min(estimated_tokens(ask.prompt_bytes), window or ask.prompt_bytes)
	smaller = 1 << max(0, (tokens - 1).bit_length() - 1)
	while smaller >= MIN_TOKENS:
		yield smaller
		smaller //= 2


def _saved(ask: Ask, room: int) -> dict[int, int]:
	"""Returns the numbers of the messages that are replaced, and how many bytes that saves.

	Args:
		ask: the question.
		room: the most bytes of a prompt.
	"""
	saved: dict[int, int] = {}
	# The results that may be replaced, and their bytes.
	results: deque[tuple[int, int]] = deque()
	total = bytes_of_tools(ask.tools)
	last_answer = 0
	for n, message in enumerate([*ask.messages, _END]):
		if message["role"] in ("assistant", "end"):
			# The messages before this one were, or are, the prompt of a request.
			if total > FULL * room:
				while results and results[0][0] < last_answer and total > ENOUGH * room:
					oldest, size = results.popleft()
					saved[oldest] = size - bytes_of([_noted(ask.messages[oldest])])
					total -= saved[oldest]
			last_answer = n
		size = bytes_of([message])
		total += size
		if message["role"] == "tool" and size > MIN_RESULT_BYTES:
			results.append((n, size))
	return saved


def _noted(message: dict[str, Any]) -> dict[str, Any]:
	return {**message, "content": NOTE}
