"""Tests that a user finds only their own requests."""

from typing import Any

import frappe
import pytest

from ai_assistant.api import requests
from ai_assistant.api.dialect import Parsed
from ai_assistant.chat import lifecycle, ownership
from ai_assistant.chat.answer import current_answer
from ai_assistant.chat.errors import ChatError
from ai_assistant.chat.request import ChatRequest
from ai_assistant.gateway import Reasoning, Text
from tests.chat.conftest import BOB, ChatSite
from tests.support import script


def accept(site: ChatSite, request_id: str, **fields: Any) -> lifecycle.Publisher:
	request = site.request("hello", request_id=request_id, **fields)
	status = "queued" if fields.get("background") else "running"
	return lifecycle.accept(request, site.configure(), status, 0.0)


def code_of(work: Any, *args: Any) -> str:
	with pytest.raises(ChatError) as refused:
		work(*args)
	return refused.value.code


def test_a_request_is_found_by_its_id_or_as_the_newest_of_its_task(chat_site: ChatSite) -> None:
	for request_id in ("request-1", "request-2"):
		accept(chat_site, request_id, task_id="t1")
	assert ownership.find("request-1")["request_id"] == "request-1"
	assert ownership.find(None, "t1")["request_id"] == "request-2"
	# The id of a request counts more than that of a task.
	assert ownership.find("request-1", "none")["request_id"] == "request-1"


@pytest.mark.parametrize("find", [ownership.find, ownership.find_unended])
def test_a_request_of_another_user_looks_like_one_that_does_not_exist(chat_site: ChatSite, find: Any) -> None:
	accept(chat_site, "request-1", task_id="t1")
	frappe.local.session.user = BOB
	assert code_of(find, "request-1") == code_of(find, "request-9") == "not_found"
	assert code_of(find, None, "t1") == "not_found"


def test_an_id_is_needed_and_must_be_one(chat_site: ChatSite) -> None:
	for ids in ((None, None), ("", ""), ("short", None), (None, "a\nb"), (7, None)):
		assert code_of(ownership.find, *ids) == "invalid_request", ids


def test_what_has_not_ended_is_one_request_or_those_of_a_task(chat_site: ChatSite) -> None:
	ended = accept(chat_site, "request-1", task_id="t1")
	accept(chat_site, "request-2", task_id="t1")
	accept(chat_site, "request-3", task_id="t1", background=True)
	accept(chat_site, "request-4", task_id="t2")
	chat_site.store.finish(ended.name, {"status": "completed"})
	chat_site.database.commit()

	def ids(*of: Any) -> list[str]:
		return sorted(row["request_id"] for row in ownership.find_unended(*of))

	assert (ids("request-1"), ids("request-2")) == ([], ["request-2"])
	assert ids(None, "t1") == ["request-2", "request-3"]


def test_a_repeated_request_gets_the_answer_that_it_had(chat_site: ChatSite) -> None:
	request = chat_site.request("hello", request_id="request-1")
	assert ownership.earlier_answer(request) is None
	publisher = accept(chat_site, "request-1")
	assert code_of(ownership.earlier_answer, request) == "conflict"
	chat_site.store.finish(publisher.name, {"status": "completed", "response": "Yes."})
	chat_site.database.commit()
	answer = ownership.earlier_answer(request)
	assert answer and (answer["status"], answer["response"]) == ("completed", "Yes.")
	assert code_of(ownership.earlier_answer, chat_site.request("bye", request_id="request-1")) == "conflict"
	frappe.local.session.user = BOB
	assert ownership.earlier_answer(request) is None


def test_an_id_that_the_site_chose_is_not_looked_up(
	chat_site: ChatSite, monkeypatch: pytest.MonkeyPatch
) -> None:
	looked_up: list[str] = []
	monkeypatch.setattr(type(chat_site.store), "get", lambda _store, _user, name: looked_up.append(name))
	assert ownership.earlier_answer(chat_site.request("hello")) is None
	assert ownership.earlier_answer(chat_site.request("hello", request_id="request-1")) is None
	assert looked_up == ["request-1"]


def test_a_request_whose_process_has_died_is_ended_by_its_first_reader(chat_site: ChatSite) -> None:
	publisher = accept(chat_site, "request-1")
	publisher.forward(Text("Half"))
	chat_site.database.write("UPDATE request SET lease = 0")
	chat_site.database.commit()
	row = ownership.find("request-1")
	assert (row["status"], row["response"], row["error"]["code"]) == ("failed", "Half", "worker_lost")
	assert ownership.find("request-1") == row


def test_the_answer_of_a_running_request_has_what_has_arrived(chat_site: ChatSite) -> None:
	publisher = accept(chat_site, "request-1")
	publisher.forward(Reasoning("Hm."))
	publisher.forward(Text("Yes"))
	answer = current_answer(ownership.find("request-1"))
	assert (answer["status"], answer["success"]) == ("running", True)
	assert (answer["reasoning"], answer["response"]) == ("Hm.", "Yes")
	assert answer["realtime"] == {"events": 3, "failed": 0, "last_seq": 3}
	assert "tool_calls" not in answer and "error" not in answer


def test_the_loser_of_a_race_follows_the_same_request(
	chat_site: ChatSite, monkeypatch: pytest.MonkeyPatch
) -> None:
	settings = chat_site.configure()
	request = chat_site.request(script({"text": "Once."}), request_id="request-1")
	parsed = Parsed({}, stream=True)
	find_same = ownership.find_same
	lost: list[dict[str, Any]] = []

	def late(request: ChatRequest) -> Any:
		# The other one is accepted after this look, and before the row of this one is stored.
		monkeypatch.setattr(ownership, "find_same", find_same)
		lost.append(lifecycle.result_of(requests.chunks_of(request, parsed, settings, 0.0)))
		return None

	monkeypatch.setattr(ownership, "find_same", late)
	answer = lifecycle.result_of(requests.chunks_of(request, parsed, settings, 0.0))
	assert [response["response"] for response in (*lost, answer)] == ["Once.", "Once."]


def test_another_request_under_the_same_id_stays_refused(chat_site: ChatSite) -> None:
	accept(chat_site, "request-1")
	other = chat_site.request("something else", request_id="request-1")
	refused = ChatError("conflict", "taken")
	assert code_of(ownership.accepted_meanwhile, other, refused) == "conflict"
	busy = ChatError("busy", "full")
	assert code_of(ownership.accepted_meanwhile, other, busy) == "busy"
