"""What the model does in each round of a task, by number: the agent and the scripted provider both compute it."""

import json
from dataclasses import dataclass
from typing import Any

from tests.support.wire import Step

ROUND_CHARS = 30_000
"""The characters that a round adds to the conversation: two calls and their results."""
WRITTEN_CHARS = 8_000
"""The characters of the file that the model writes in a round."""
PIECES = 20
"""The chunks in which the provider sends each long text."""
TOOLS = [
	{
		"type": "function",
		"function": {
			"name": name,
			"description": f"{name.title()}s a file of the project.",
			"parameters": {
				"type": "object",
				"properties": {field: {"type": "string"} for field in fields},
				"required": list(fields),
			},
		},
	}
	for name, fields in (("write", ("path", "content")), ("read", ("path",)))
]
_LINE = 'def answer(text):\n\treturn "é" + text\n'


@dataclass(frozen=True)
class Round:
	"""A round of a task: the model thinks, says something, and calls two tools.

	Args:
		task: the number of the task.
		number: the number of the round in the task, from 0.
	"""

	task: int
	number: int

	@property
	def name(self) -> str:
		return f"{self.task}-{self.number}"

	@property
	def reasoning(self) -> str:
		return f"Round {self.name}: I write one file and read another. " * 4

	@property
	def text(self) -> str:
		return f"In round {self.name} I go on with the next file. " * 6

	@property
	def calls(self) -> list[dict[str, Any]]:
		"""The calls as in the OpenAI chat API. Their ids are as unique as a provider's."""
		arguments = {
			"write": {"path": f"{self.name}.py", "content": _filled(self.name, WRITTEN_CHARS)},
			"read": {"path": f"{self.name}.txt"},
		}
		return [
			{
				"id": f"call_{name}{self.task:08}{self.number:08}soak",
				"type": "function",
				"function": {"name": name, "arguments": json.dumps(values)},
			}
			for name, values in arguments.items()
		]

	def results(self) -> list[dict[str, Any]]:
		"""The messages with the results of the calls."""
		size = (ROUND_CHARS - WRITTEN_CHARS) // 2
		return [
			{"role": "tool", "tool_call_id": call["id"], "content": _filled(call["id"], size)}
			for call in self.calls
		]

	def steps(self, seconds: float) -> list[Step]:
		"""What the provider sends, spread over some seconds. The end is not in it."""
		pieces: list[Step] = [{"reasoning": piece} for piece in _pieces(self.reasoning, 4)]
		pieces += [{"text": piece} for piece in _pieces(self.text, 4)]
		for n, call in enumerate(self.calls):
			function = call["function"]
			first: Step = {"call": n, "id": call["id"], "name": function["name"]}
			for piece in _pieces(function["arguments"], PIECES):
				pieces.append({**first, "arguments": piece})
				first = {"call": n}
		pause: Step = {"sleep": seconds / len(pieces)}
		return [step for piece in pieces for step in (piece, pause)]


def question(task: int) -> str:
	"""The user's message at the beginning of a task."""
	return f"Task {task}: go through the project file by file."


def task_in(text: str) -> int:
	"""The number of the task in a request that begins with its `question`."""
	return int(text.partition("Task ")[2].partition(":")[0])


def _filled(name: str, size: int) -> str:
	return (f"# {name}\n" + _LINE * (size // len(_LINE) + 1))[:size]


def _pieces(text: str, count: int) -> list[str]:
	size = -(-len(text) // count)
	return [text[start : start + size] for start in range(0, len(text), size)]
