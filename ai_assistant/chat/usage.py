"""Books the tokens and the cost of a request, and logs how its question was changed for the provider."""

from typing import TYPE_CHECKING, Any

from ai_assistant.gateway import Completion, Usage
from ai_assistant.log import fields, logger

from .request import ChatRequest

if TYPE_CHECKING:
	from .lifecycle import Chat


def used(chat: "Chat", counted: Usage | None, provider: str | None, model: str | None) -> Usage:
	"""Returns the usage of an answer: what its provider has counted, or else an estimate.

	After rounds with tools of the site it returns what was counted for these rounds.
	"""
	if counted and counted.total_tokens:
		return counted
	if chat.earlier and chat.earlier.usage:
		return chat.earlier.usage
	provider, model = provider or chat.request.provider, model or chat.request.model
	sizes = chat.publisher.transcript.sizes()
	return chat.gateway.estimate(provider, model, chat.request.prompt_bytes, *sizes)


def booked(chat: "Chat", usage: Usage, hung_up_on: tuple[str, str] | None) -> dict[str, Any]:
	"""Returns the usage to book: that of the answer, and the prompt of a provider that was also asked and was slower.

	Args:
		chat: the chat that has ended.
		usage: the usage of the answer.
		hung_up_on: the other provider and its model.
	"""
	if hung_up_on:
		provider, model = hung_up_on
		usage += chat.gateway.estimate(provider, model, chat.request.prompt_bytes, 0, 0)
		ids = fields(request=chat.request.request_id, provider=provider, model=model)
		logger().info(f"[Gateway] hung up on a provider that was slower; its prompt is booked {ids}")
	return rounded(usage)


def rounded(usage: Usage) -> dict[str, Any]:
	"""Returns the contract's `usage` object. The cost has nine decimal places, as many as a column has."""
	cost = usage.cost_usd
	figures = {name: getattr(usage, name) for name in Usage.__dataclass_fields__}
	return {**figures, "cost_usd": None if cost is None else round(float(cost), 9)}


def log_changes(request: ChatRequest, completion: Completion) -> None:
	"""Logs how the question that was sent differs from the client's."""
	changes = []
	if completion.effort and "reasoning_effort" not in completion.dropped:
		changes.append(f"reasoning_effort {completion.effort} was sent instead of {request.reasoning_effort}")
	if completion.dropped:
		changes.append(f"dropped {', '.join(completion.dropped)}: the model takes none")
	if completion.compacted:
		changes.append("the provider compacted the conversation")
	if trimmed := completion.trimmed:
		changes.append(f"trimmed {trimmed.tool_results} tool results, about {trimmed.tokens} tokens")
	for change in changes:
		logger().info(f"[Gateway] {change} {fields(request=request.request_id, model=completion.model)}")
