"""Names the fields of a request as its client sent them, in the errors about them.

A dialect converts a request to the form of the chat API, and the site validates this form. An error then names a field of
this form, such as `messages[3].tool_call_id`. The client may have sent it as `input[5].call_id`.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from ai_assistant.chat.errors import ChatError

# A name, or a path such as `tools[0].function.name`.
FIELD = re.compile(r"\b[a-z_]+(?:\[\d+\]|\.[a-z_]+)*")


@dataclass(slots=True)
class Source:
	"""Where a client sent a message of the chat API: the path of the message, and those of its content parts and calls."""

	path: str
	parts: Sequence[str] = ()
	calls: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Paths:
	"""Where the fields of the chat API are in a request of another API."""

	fields: Callable[[], Mapping[str, str]]
	"""Gives the client's path for each path of the chat API that differs. It is called only for an error."""
	endings: Mapping[str, str]
	"""The client's ending for the ending of such a path."""

	def renamed(self, sentence: str) -> str:
		"""Returns a sentence with the client's paths in the place of those of the chat API."""
		fields, words = self.fields(), set[str]()

		def rename(match: re.Match[str]) -> str:
			path = match[0]
			if path.isalpha():
				# Later in the sentence it is a word of the language.
				again = path in words
				words.add(path)
				return path if again else fields.get(path, path)
			end = len(path)
			while end > 0:
				if (start := fields.get(path[:end])) is not None:
					return start + self.endings.get(path[end:], path[end:])
				end = path.rfind(".", 0, end)
			return path

		return FIELD.sub(rename, sentence)


@contextmanager
def as_sent(paths: Paths | None) -> Iterator[None]:
	"""Names the fields as the client sent them, in a ChatError `invalid_request` that is raised meanwhile."""
	try:
		yield
	except ChatError as refused:
		if paths is None or refused.code != "invalid_request":
			raise
		raise ChatError(refused.code, paths.renamed(str(refused)), refused.retry_after) from None


def of_messages(sources: Sequence[Source], first: int = 0) -> dict[str, str]:
	"""Returns the client's paths of messages, of their parts and of their calls.

	Args:
		sources: where the messages were sent.
		first: the number of the first of these messages in the chat API.
	"""
	paths = {}
	for n, source in enumerate(sources, first):
		where = f"messages[{n}]"
		paths[where] = source.path
		paths |= {f"{where}.content[{i}]": path for i, path in enumerate(source.parts)}
		paths |= {f"{where}.tool_calls[{i}]": path for i, path in enumerate(source.calls)}
	return paths


def of_tools(tools: Sequence[str]) -> dict[str, str]:
	"""Returns the client's paths of tools, which the chat API has one level below."""
	return {f"tools[{n}]{below}": path for n, path in enumerate(tools) for below in ("", ".function")}
