"""The type of a tool, and the decorator for the functions of other apps."""

import json
import re
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

from ai_assistant.keys import Key

F = TypeVar("F", bound=Callable[..., Any])

# The names that all providers accept.
NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
# The most characters of a description that a model gets.
MAX_DESCRIPTION_CHARS = 2_000
# The most bytes of a result in UTF-8. It is the text of one event.
MAX_RESULT_BYTES = 32_000
CUT = "\n… The result is longer than {0} bytes and is cut here. Ask for less."
# The attribute by which a function says that it writes nothing.
READS_ONLY = "_ai_assistant_reads_only"


class ToolError(Exception):
	"""A call that failed, with a sentence for the model and the user."""


@dataclass(frozen=True)
class Caller:
	"""For whom a tool runs.

	Attributes:
		user: the user of the request. The tool has this user's permissions.
		key: the AI Key that the request came with, if any.
	"""

	user: str
	key: Key | None = None


@dataclass(frozen=True)
class Tool:
	"""A tool that the site runs.

	Attributes:
		name: the name that the model calls, of at most 64 characters.
		description: what the model is told of it.
		parameters: the JSON Schema of its arguments.
		asks_first: whether the user approves each call.
		start: starts a call with its arguments. The result of the Future is what the model gets; its exception is a
			ToolError or a defect. A Future that is cancelled has written nothing and will write nothing.
	"""

	name: str
	description: str
	parameters: dict[str, Any]
	asks_first: bool
	start: Callable[[dict[str, Any], Caller], "Future[str]"]

	def offered(self) -> dict[str, Any]:
		"""Returns the tool in the form of the OpenAI chat API."""
		function = {"name": self.name, "description": self.description, "parameters": self.parameters}
		return {"type": "function", "function": function}


def tool(*, reads_only: bool) -> Callable[[F], F]:
	"""Marks a function of another app as a tool that reads only, or as one that writes.

	A tool that reads only runs in a read-only transaction, and the user is not asked. Without this decorator a function
	counts as one that writes: the user approves each call.
	"""

	def mark(function: F) -> F:
		setattr(function, READS_ONLY, reads_only)
		return function

	return mark


def as_text(result: Any) -> str:
	"""Returns a result as text for the model, cut to MAX_RESULT_BYTES."""
	text = result if isinstance(result, str) else json.dumps(result, ensure_ascii=False, default=str)
	encoded = text.encode(errors="replace")
	if len(encoded) <= MAX_RESULT_BYTES:
		return encoded.decode()
	return encoded[:MAX_RESULT_BYTES].decode(errors="ignore") + CUT.format(MAX_RESULT_BYTES)
