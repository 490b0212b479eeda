"""Parses requests of the Responses dialect."""

from typing import Any

from ai_assistant.api.openai import responses

USER = {"role": "user", "content": "Hi."}


def parse(**body: Any) -> Any:
	return responses.parse({"model": "m", "input": "Hi.", **body}, {})


def messages(*items: Any) -> list[dict[str, Any]]:
	converted: list[dict[str, Any]] = parse(input=list(items)).fields["messages"]
	return converted
