"""A process loads the HTTP client before its first chat needs it."""

import frappe
import pytest

from ai_assistant import api, gateway
from ai_assistant.chat import lifecycle, running
from ai_assistant.config import access
from tests.chat.conftest import ChatSite


def test_a_chat_begins_to_load_before_it_is_stored(
	chat_site: ChatSite, monkeypatch: pytest.MonkeyPatch
) -> None:
	stored: list[int] = []
	monkeypatch.setattr(
		lifecycle, "warm", lambda: stored.append(len(chat_site.store.of_task("ann@example.com", "t")))
	)
	chat = lifecycle.begin(chat_site.request("hello", task_id="t"), chat_site.configure(), 0.0)
	running.unregister(chat)
	assert stored == [0]


def test_a_client_that_asks_for_the_models_begins_to_load(
	chat_site: ChatSite, monkeypatch: pytest.MonkeyPatch
) -> None:
	calls: list[None] = []
	monkeypatch.setattr(gateway, "warm", lambda: calls.append(None))
	monkeypatch.setattr(access, "load_permitted", chat_site.configure)
	monkeypatch.setattr(frappe, "get_roles", lambda *_: ["AI Assistant User"], raising=False)
	api.list_models()
	assert len(calls) == 1
