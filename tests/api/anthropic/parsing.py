"""Parses requests of the Messages dialect."""

from typing import Any

from ai_assistant.api.anthropic import messages as dialect

USER = {"role": "user", "content": "Hi."}


def parse(**body: Any) -> Any:
	return dialect.parse({"model": "m", "max_tokens": 100, "messages": [USER], **body}, {})


def messages(*turns: tuple[str, Any]) -> list[dict[str, Any]]:
	sent = [{"role": role, "content": content} for role, content in turns]
	converted: list[dict[str, Any]] = parse(messages=sent).fields["messages"]
	return converted
