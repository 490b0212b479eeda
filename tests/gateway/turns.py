"""Turns of a model that thinks and calls a tool, and the messages that continue them."""

from itertools import pairwise
from typing import Any

from tests.support.wire import Step

from .asking import Heard
from .calling import call, calls

THINKS: dict[str, Any] = {"reasoning_effort": "low", "max_tokens": 4000}


def first_turn(api: str, n: int = 0, text: bool = True) -> list[Step]:
	"""A turn of thinking that ends in calls."""
	redacted = [{"redacted": f"cmVkYWN0ZWQ{n}"}] if api == "anthropic" else []
	texts = [{"text": "I look."}] if text else []
	thought: list[Step] = [{"reasoning": "Hm, "}, {"reasoning": f"files {n} 💡."}, {"sealed": f"c2VhbGVk{n}"}]
	return [*thought, *redacted, *texts, *call(n, '{"path": ', '"a"}'), *call(n + 1, '{"path": "b"}')]


def answered(messages: list[dict[str, Any]], heard: Heard, **fields: Any) -> list[dict[str, Any]]:
	"""The messages of the next turn, as a client makes them."""
	made = [
		{"id": one.id, "type": "function", "function": {"name": one.name, "arguments": one.arguments}}
		for one in calls(heard)
	]
	message = {"role": "assistant", "content": heard.text or None, "tool_calls": made}
	message["continuation"] = heard.completion.continuation
	answers = [{"role": "tool", "tool_call_id": one["id"], "content": "x"} for one in made]
	return [*messages, {**message, **fields}, *answers]


def script(api: str, *turns: list[Step]) -> list[Step]:
	"""Turns, each of which refuses a request that does not hold the one before it exactly as it was said."""
	steps: list[Step] = [{"turn": turns[0]}]
	for before, now in pairwise(turns):
		steps.append({"turn": [{"wants": before}, *now]})
	return steps
