"""Every whitelisted method: who may call it, and that another user's ids look like ids that do not exist."""

import inspect
from typing import Any

import httpx
import pytest

from ai_assistant.client import Client
from tests.support import script, unique
from tests.support.methods import METHODS, VERBS
from tests.support.provider import ScriptedProvider
from tests.support.site import Account, Site

IDS = [
	(name, parameter)
	for name, method in METHODS.items()
	for parameter in inspect.signature(method).parameters
	if parameter.endswith("_id")
]
# A monitoring system has no role on the site: tests/operations/test_metrics.py tests who may call these.
FOR_ROLES = [name for name in METHODS if name not in ("health", "metrics")]
HELLO = [{"role": "user", "content": "hello"}]
# What differs from one answer to the next by itself.
VOLATILE = {"date", "x-frappe-request-id", "set-cookie", "server-timing"}


def ask(site: Site, name: str, account: Account | None, **fields: Any) -> httpx.Response:
	verb = VERBS[name][0]
	sent: dict[str, Any] = {"params": fields} if verb == "GET" else {"json": fields}
	headers = {"Authorization": f"token {account.token}"} if account else {}
	return httpx.request(verb, site.method(name), headers=headers, timeout=60, **sent)


def told(response: httpx.Response) -> tuple[int, bytes, dict[str, str]]:
	headers = {name: value for name, value in response.headers.items() if name not in VOLATILE}
	return response.status_code, response.content, headers


def test_there_are_methods_and_they_take_ids() -> None:
	assert METHODS.keys() >= {"chat_completion", "get_request", "get_events", "cancel", "list_models"}
	assert {name for name, _parameter in IDS} >= {"chat_completion", "get_request", "get_events", "cancel"}


@pytest.mark.parametrize("name", FOR_ROLES)
def test_a_guest_is_refused_by_frappe(site: Site, name: str) -> None:
	response = ask(site, name, None, messages=HELLO, request_id="any-request")
	assert response.status_code == 403
	assert response.json()["exc_type"] == "PermissionError"


@pytest.mark.parametrize("name", FOR_ROLES)
def test_a_user_without_the_role_is_refused(site: Site, name: str) -> None:
	with site.client(site.third) as stranger:
		verb = VERBS[name][0]
		response = stranger.http.request(verb, site.method(name), params={"request_id": "any-request"})
	assert response.status_code == 403
	error = response.json()["message"]["error"]
	assert error["code"] == "not_permitted" and "AI Assistant User" in error["message"]


@pytest.mark.parametrize(("name", "parameter"), IDS)
@pytest.mark.parametrize("of", ["one that has ended", "one that runs"])
def test_anothers_id_reads_as_one_of_nobodys(
	site: Site, client: Client, provider: ScriptedProvider, name: str, parameter: str, of: str
) -> None:
	gate = unique("gate")
	prompt = (
		script({"text": "canary"}, {"gate": gate}) if of == "one that runs" else script({"text": "canary"})
	)
	task = unique("task")
	stream = client.chat(prompt, task_id=task)
	if of == "one that runs":
		provider.wait_for(gate)
	else:
		stream.wait()
	theirs = {"request_id": stream.request_id, "task_id": task}[parameter]
	with site.client(site.second) as second:
		token = Account(site.second.user, "", site.second.token)
		fields = {"messages": HELLO} if "messages" in inspect.signature(METHODS[name]).parameters else {}
		response = ask(site, name, token, **{parameter: theirs}, **fields)
		nothing = ask(site, name, token, **{parameter: unique("x")[: len(theirs)]}, **fields)
		if fields:
			# It is made, and is their own.
			own = response.json()["message"]
			assert (response.status_code, own["response"]) == (nothing.status_code, "Hello there.")
			assert "canary" not in response.text
			assert second.get("get_request", request_id=own["request_id"])["response"] == "Hello there."
		else:
			assert told(response) == told(nothing)
			assert response.status_code == 404
	provider.open(gate)
	answer = stream.wait()
	assert (answer["status"], answer["response"]) == ("completed", "canary")
	assert client.get("get_request", request_id=stream.request_id) == answer
