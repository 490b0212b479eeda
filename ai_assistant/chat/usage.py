"""The tokens and the cost of a request, as they are booked."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ai_assistant.gateway import Usage
from ai_assistant.log import fields, logger

if TYPE_CHECKING:
	from .lifecycle import Chat


def estimate(chat: "Chat", provider: str | None, model: str | None) -> Usage:
	"""Estimates the tokens of an answer that its provider has not counted.

	After rounds with tools of the site it returns what was counted for these rounds.
	"""
	if chat.earlier and chat.earlier.usage:
		return chat.earlier.usage
	return chat.gateway.estimate(
		provider or chat.request.provider,
		model or chat.request.model,
		chat.request.prompt_bytes,
		*chat.publisher.transcript.sizes(),
	)


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
	return asdict(usage)
