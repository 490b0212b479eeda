"""The AI Key, provider and model of a queued request are checked again when a worker takes it."""

from dataclasses import asdict, replace
from typing import Any

import frappe
import pytest

from ai_assistant import keys
from ai_assistant.chat import lifecycle, queue, running
from ai_assistant.chat.errors import ChatError
from ai_assistant.config.settings import Settings
from ai_assistant.gateway import Detached, Text
from tests.chat.conftest import ChatSite
from tests.support import script

from .runs import run

KEY = keys.Key("abc", "ann@example.com", tokens_per_day=5)


def test_a_queued_request_runs_under_the_limits_of_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
	monkeypatch.setattr(keys, "named", {"abc": KEY}.get)
	assert queue._key_of({"ai_key": "abc"}) == KEY
	assert queue._key_of({"ai_key": None}) is None


def test_a_queued_request_whose_key_was_revoked_does_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
	monkeypatch.setattr(keys, "named", lambda _name: None)
	with pytest.raises(ChatError, match="was revoked or has expired") as refused:
		queue._key_of({"ai_key": "abc"})
	assert refused.value.code == "not_permitted"


def withheld(settings: Settings) -> Settings:
	"""The same settings after the role for the model m1 was taken from the user."""
	(provider,) = settings.providers
	return replace(settings, providers=(replace(provider, models=("m2",), default_model="m2"),))


@pytest.mark.parametrize("named", [{"model": "m1"}, {"provider": "p", "model": "m1"}, {"provider": "gone"}])
def test_a_queued_request_for_a_model_that_was_withdrawn_does_not_run(
	chat_site: ChatSite, monkeypatch: pytest.MonkeyPatch, named: dict[str, Any]
) -> None:
	settings = chat_site.configure()
	request = chat_site.request("hello", request_id="queued-01", background=True)
	request = replace(request, names_provider=True, **named)
	accepted = lifecycle.accept(request, settings, "queued", 0.0)
	monkeypatch.setattr(queue, "load", lambda: withheld(settings))
	monkeypatch.setattr(frappe, "get_roles", lambda _user: ["AI Assistant User"], raising=False)
	assert queue.take(accepted.name) is None
	row = chat_site.row("queued-01")
	assert (row["status"], row["error"]["code"]) == ("failed", "not_permitted")


def test_a_queued_request_that_names_no_model_is_asked_of_another(
	chat_site: ChatSite, monkeypatch: pytest.MonkeyPatch
) -> None:
	settings = chat_site.configure()
	request = chat_site.request("hello", request_id="queued-01", background=True)
	accepted = lifecycle.accept(
		replace(request, names_provider=False, provider="p", model="m1"), settings, "queued", 0.0
	)
	monkeypatch.setattr(queue, "load", lambda: withheld(settings))
	monkeypatch.setattr(frappe, "get_roles", lambda _user: ["AI Assistant User"], raising=False)
	chat = queue.take(accepted.name)
	assert chat
	running.unregister(chat)
	assert (chat.request.provider, chat.request.model) == (None, "")


def test_a_request_that_is_queued_again_and_refused_leaves_no_text_where_none_is_kept(
	chat_site: ChatSite, monkeypatch: pytest.MonkeyPatch
) -> None:
	monkeypatch.setattr(frappe, "get_roles", lambda _user: ["AI Assistant User"], raising=False)
	request = chat_site.request(script({"text": "one"}, {"hang": True}), background=True)
	name = lifecycle.accept(request, chat_site.configure(), "queued", 0.0).name
	chat = queue.take(name)
	assert chat
	chunks = lifecycle.run(chat)
	while next(chunks) != Text("one"):
		pass
	chat.detached = Detached("resp_1", "p", "m1")
	chat_site.store.detach(name, asdict(chat.detached))
	running.abandon()
	assert run(chunks)[1]["status"] == "queued"
	assert [event["text"] for event in chat_site.store.events(name)] == ["", "one"]
	chat_site.configure(providers=[], retention={"keep_content": False})
	assert queue.take(name) is None
	row = chat_site.row(request.request_id)
	assert (row["status"], row["error"]["code"]) == ("failed", "not_configured")
	assert not any(event["text"] for event in chat_site.store.events(name))
	# Its first process has asked the provider.
	assert row["usage"]["estimated"]
