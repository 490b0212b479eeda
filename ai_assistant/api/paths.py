"""Rewrites error messages, so that they name a field by its path in the body that the client sent.

A dialect converts a request to the form of the chat API, and the site validates this form. An error then names a field of
this form, such as `messages[3].tool_call_id`. The client may have sent it as `input[5].call_id`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

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

	names: Mapping[str, str] = field(default_factory=dict)
	"""The client's path for each path of the chat API that differs, but for messages and tools."""
	endings: Mapping[str, str] = field(default_factory=dict)
	"""The client's ending for the ending of such a path."""
	messages: Sequence[Source] = ()
	"""Where the client sent each message."""
	tools: Sequence[str] = ()
	"""The client's path of each tool, which the chat API has one level below."""

	def renamed(self, sentence: str) -> str:
		"""Returns a sentence with the client's paths in the place of those of the chat API."""
		fields, words = self._fields(), set[str]()

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

	def _fields(self) -> dict[str, str]:
		paths = dict(self.names)
		for n, source in enumerate(self.messages):
			where = f"messages[{n}]"
			paths[where] = source.path
			paths |= {f"{where}.content[{i}]": path for i, path in enumerate(source.parts)}
			paths |= {f"{where}.tool_calls[{i}]": path for i, path in enumerate(source.calls)}
		for n, path in enumerate(self.tools):
			paths |= {f"tools[{n}]": path, f"tools[{n}].function": path}
		return paths
