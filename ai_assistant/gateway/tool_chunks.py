"""The chunks of a tool that the site runs itself.

The gateway does not make them. `ai_assistant.chat.tool_rounds` adds them to the chunks of an answer.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ToolApproval:
	"""The site waits until the user approves a call.

	`approval` identifies the question: the model may repeat an `id`.
	"""

	id: str
	name: str
	arguments: str
	approval: str
	seconds: int
	"""How long the site waits for the user."""


@dataclass(frozen=True, slots=True)
class ToolRun:
	"""The site begins to run a tool."""

	id: str
	name: str


@dataclass(frozen=True, slots=True)
class ToolResult:
	"""The outcome of a call of a tool of the site.

	Args:
		outcome: `ok`, `failed`, `denied` (the user did not approve) or `not_run` (a limit is reached).
		text: what the model gets.
		duration_ms: the milliseconds that the tool ran, 0 if it did not run.
	"""

	id: str
	name: str
	arguments: str
	outcome: str
	text: str
	duration_ms: int = 0


ToolStep = ToolApproval | ToolRun | ToolResult
