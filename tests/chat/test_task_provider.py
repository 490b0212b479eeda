"""A task stays with the provider, the model and the key that answered it last."""

from dataclasses import replace
from typing import Any

import frappe
import pytest

from ai_assistant.chat import lifecycle
from ai_assistant.chat.request import ChatRequest
from ai_assistant.config.settings import Settings, load
from tests.chat.conftest import ChatSite
from tests.chat.runs import run

LABELS = ("a", "b", "c", "d")


@pytest.fixture
def settings(chat_site: ChatSite) -> Settings:
	"""Two providers, of which the second in order has four keys."""
	common = {
		"api": "openai",
		"api_base": chat_site.provider.base("openai"),
		"models": ["m1", "m2"],
		"default_model": "m1",
	}
	keys = [{"label": label, "api_key": f"sk-{label}"} for label in LABELS]
	providers = [
		{**common, "name": "one", "api_key": "sk-one", "priority": 1},
		{**common, "name": "many", "keys": keys, "priority": 2},
	]
	frappe.local.conf = frappe._dict(ai_assistant={"providers": providers})
	return load()


def ask(site: ChatSite, settings: Settings, **fields: Any) -> tuple[ChatRequest, str]:
	"""Asks a question of the task `t`. Returns the request as it was begun, and the key that the provider received."""
	request = site.request("hello", task_id="t", **fields)
	chat = lifecycle.begin(request, settings, 0.0)
	_chunks, answer = run(lifecycle.run(chat))
	assert answer["status"] == "completed", answer
	return chat.request, site.provider.requests[-1].key


def set_last(site: ChatSite, **fields: Any) -> None:
	"""Changes the row of the request that was stored last."""
	row = site.store.of_task("ann@example.com", "t", limit=1)[0]
	columns = ", ".join(f"{name} = ?" for name in fields)
	site.database.write(f"UPDATE request SET {columns} WHERE name = ?", [*fields.values(), row["name"]])


@pytest.mark.parametrize("label", LABELS)
def test_a_task_stays_with_the_key_that_answered_it_last(
	chat_site: ChatSite, settings: Settings, label: str
) -> None:
	ask(chat_site, settings, provider="many", model="m2")
	set_last(chat_site, key_label=label)
	request, key = ask(chat_site, settings)
	assert (request.provider, request.model, key) == ("many", "m2", f"sk-{label}")
	# The key is kept where the client names the provider, too.
	assert ask(chat_site, settings, provider="many")[1] == f"sk-{label}"
	assert ask(chat_site, settings, provider="one")[1] == "sk-one"


def test_a_request_that_failed_does_not_end_the_stay(chat_site: ChatSite, settings: Settings) -> None:
	ask(chat_site, settings, provider="many")
	set_last(chat_site, key_label="c")
	ask(chat_site, settings, provider="one")
	set_last(chat_site, status="failed")
	request, key = ask(chat_site, settings)
	assert (request.provider, key) == ("many", "sk-c")


def test_a_provider_or_a_key_that_is_gone_is_not_asked(chat_site: ChatSite, settings: Settings) -> None:
	ask(chat_site, settings, provider="many")
	set_last(chat_site, key_label="gone")
	request, key = ask(chat_site, settings)
	assert request.provider == "many" and key in {f"sk-{label}" for label in LABELS}
	without = replace(settings, providers=settings.providers[:1])
	assert ask(chat_site, without)[1] == "sk-one"
