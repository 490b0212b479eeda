"""An input may refer to many items of one stored response, and this response is read once."""

from typing import Any

import pytest

from ai_assistant import store
from ai_assistant.api.openai import stored_responses


def test_a_response_is_read_once_however_many_of_its_items_are_referred_to(
	monkeypatch: pytest.MonkeyPatch,
) -> None:
	calls = [
		{"id": f"call_{n}", "function": {"name": "patch", "arguments": '{"input": "x"}'}} for n in range(9)
	]
	row = {"name": "r1", "response": "", "continuation": None, "model": "m1", "tool_calls": calls}
	reads: list[str] = []

	class Stored:
		def sent(self, name: str) -> dict[str, Any]:
			reads.append(name)
			return {"repeated": {"tools": [{"type": "custom", "name": "patch"}]}}

	monkeypatch.setattr(store, "current", Stored)
	monkeypatch.setattr(stored_responses.ownership, "find", lambda _request_id: row)
	references = [{"type": "item_reference", "id": f"ctc_abcdefgh_{n}"} for n in range(9)]
	items = stored_responses._resolved(references)
	assert [(item["type"], item["call_id"], item["input"]) for item in items] == [
		("custom_tool_call", f"call_{n}", "x") for n in range(9)
	]
	assert reads == ["r1"]
