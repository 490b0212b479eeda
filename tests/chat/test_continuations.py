"""Tests how the site finds its own continuation again."""

from dataclasses import replace
from typing import Any

import frappe
import pytest

from ai_assistant.chat.continuations import key_of, restore
from tests.chat.conftest import ANN, ChatSite


def call(identity: str, arguments: str = "{}", name: str = "read_file") -> dict[str, Any]:
	return {"id": identity, "type": "function", "function": {"name": name, "arguments": arguments}}


@pytest.mark.parametrize("identity", ["functions.read_file:0", "call_0", "0", "read_file", "tool_call_12"])
def test_a_number_that_each_conversation_has_is_no_key(identity: str) -> None:
	first, second = call(identity, '{"path": "a"}'), call(identity, '{"path": "b"}')
	assert key_of([first]) != key_of([second])
	assert key_of([first, second]) != key_of([first])
	# The client writes the same arguments in its own form.
	again = call(identity, '{"path":"\\u0061"}')
	assert key_of([again]) == key_of([first])


@pytest.mark.parametrize(
	"identity", ["call_8Xh2kLm9Qa", "toolu_01A09q90qw90lq917835lq9", "chatcmpl-tool-9f8e7d6c5b4a"]
)
def test_an_id_of_its_own_is_the_key_whatever_the_client_makes_of_the_arguments(identity: str) -> None:
	assert key_of([call(identity, '{"path": "a"}')]) == key_of([call(identity, "{}"), call("call_1")])


def test_an_answer_without_calls_has_no_key() -> None:
	assert key_of([]) is None and key_of(None) is None


@pytest.mark.parametrize("keep_content", [True, False])
def test_the_cache_is_asked_where_rows_keep_no_content(
	chat_site: ChatSite, monkeypatch: pytest.MonkeyPatch, keep_content: bool
) -> None:
	queries: list[str] = []

	def get_value(name: str, **_options: Any) -> None:
		queries.append(name)

	monkeypatch.setattr(frappe.cache, "get_value", get_value)
	messages = [
		{"role": "assistant", "content": None, "tool_calls": [call(f"call_{n:032}")]} for n in range(3)
	]
	request = replace(chat_site.request("hello"), messages=messages)
	assert restore(request, ANN, keep_content).messages == messages
	assert len(queries) == (0 if keep_content else 3)
