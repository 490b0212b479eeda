"""Aliases and the roles of providers and models, in every API of a site; and an AI Key in each header."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support import unique
from tests.support.provider import ScriptedProvider
from tests.support.site import Site, StandaloneSite, site_config
from tests.support.v1 import PATH, ask

HELLO = [{"role": "user", "content": "hello"}]


@pytest.fixture(scope="module")
def config(provider: ScriptedProvider) -> dict[str, Any]:
	config = site_config(provider)
	scripted, claude = config["providers"]
	scripted["model_roles"] = {"scripted-2": ["Research"]}
	claude["roles"] = ["Research"]
	config["aliases"] = [
		{"name": "fast", "provider": "scripted", "model": "scripted"},
		{"name": "smart", "provider": "claude", "model": "claude-sonnet-4-5"},
	]
	return config


@pytest.fixture(scope="module")
def site(process: StandaloneSite) -> Iterator[Site]:
	"""The site without a first chat with each provider: not each is permitted here."""
	with process as running:
		yield running


def test_a_user_is_offered_what_the_roles_permit(site: Site) -> None:
	with site.client(site.first) as client:
		offered = client.http.get(site.method("list_models")).json()["message"]
	assert [(provider["name"], provider["models"]) for provider in offered["providers"]] == [
		("scripted", ["scripted"])
	]
	assert offered["aliases"] == [{"name": "fast", "provider": "scripted", "model": "scripted"}]
	assert [model["id"] for model in ask(site, "/models").json()["data"]] == ["fast", "scripted"]


def test_an_alias_is_a_name_of_its_model_in_every_api(site: Site) -> None:
	with site.client(site.first) as client:
		body = {"messages": HELLO, "model": "fast", "request_id": unique("request")}
		answer = client.http.post(site.method("chat_completion"), json=body).json()["message"]
	assert (answer["status"], answer["provider"], answer["model"]) == ("completed", "scripted", "scripted")
	answered = ask(site, "/chat/completions", {"messages": HELLO, "model": "fast"})
	assert answered.status_code == 200, answered.text


@pytest.mark.parametrize("model", ["scripted-2", "claude-sonnet-4-5", "smart", "claude/claude-sonnet-4-5"])
def test_a_model_of_another_role_does_not_exist_for_the_user(site: Site, model: str) -> None:
	with site.client(site.first) as client:
		refused = client.http.post(
			site.method("chat_completion"), json={"messages": HELLO, "model": model}
		).json()["message"]["error"]
	assert refused["code"] == "invalid_request"
	assert refused["message"] == "model accepts one of: fast, scripted."
	refused = ask(site, "/chat/completions", {"messages": HELLO, "model": model})
	assert (refused.status_code, refused.json()["error"]["code"]) == (404, "model_not_found")
	assert "claude" not in refused.text


def test_a_provider_of_another_role_is_no_fallback(site: Site, provider: ScriptedProvider) -> None:
	before = len(provider.requests)
	failing = [{"role": "user", "content": '[{"status": 500}]'}]
	with site.client(site.first) as client:
		answer = client.http.post(site.method("chat_completion"), json={"messages": failing}).json()[
			"message"
		]
	assert answer["status"] == "failed"
	assert {attempt["provider"] for attempt in answer["attempts"]} == {"scripted"}
	assert len(provider.requests) > before


@pytest.mark.parametrize("header", ["Authorization", "x-api-key"])
def test_an_ai_key_chats_and_opens_nothing_else(site: Site, header: str) -> None:
	key = site.first.ai_key
	headers = {header: f"Bearer {key}" if header == "Authorization" else str(key)}
	body = {"messages": HELLO, "model": "fast", "max_tokens": 100}
	assert httpx.post(f"{site.url}{PATH}/chat/completions", json=body, headers=headers).status_code == 200
	assert (
		httpx.post(site.method("chat_completion"), json={"messages": HELLO}, headers=headers).status_code
		== 200
	)
	user = httpx.get(f"{site.url}/api/method/frappe.auth.get_logged_user", headers=headers)
	assert user.status_code in (401, 403)
	assert site.first.user not in user.text
	through = httpx.get(f"{site.method('list_models')}?cmd=frappe.auth.get_logged_user", headers=headers)
	assert through.status_code in (401, 403)
