"""Tests the conversations that a site keeps, their titles, and that nothing is kept without the opt-in."""

from typing import Any

import frappe
import pytest

from ai_assistant import keys
from ai_assistant.api import conversations as api
from ai_assistant.chat import conversations, jobs, lifecycle, termination
from ai_assistant.chat.request import validate
from ai_assistant.config import forms
from tests.chat.conftest import ANN, BOB, ChatSite
from tests.chat.runs import run
from tests.support import script

KEPT = {"retention": {"keep_content": True, "keep_questions": True}}


@pytest.fixture(autouse=True)
def session(chat_site: ChatSite, monkeypatch: pytest.MonkeyPatch) -> None:
	"""Gives the users the role, outside of an HTTP request."""
	monkeypatch.setattr(frappe.local, "roles_of", lambda _user: ["AI Assistant User"], raising=False)
	for name in ("request", "flags", "message_log"):
		monkeypatch.setattr(frappe.local, name, frappe._dict(), raising=False)
	frappe.local.request = None


@pytest.fixture
def enqueued(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
	"""The arguments of the jobs that were enqueued. None of them runs."""
	arguments: list[dict[str, Any]] = []

	def enqueue(method: str, queue: str, job_id: str, **options: Any) -> None:
		assert (method, queue) == (conversations.JOB, "short")
		arguments.append(options)

	monkeypatch.setattr(jobs, "enqueue", enqueue)
	return arguments


def ask(
	site: ChatSite, content: str, task_id: str = "t1", before: Any = (), **sections: Any
) -> dict[str, Any]:
	loaded = site.configure(**{**KEPT, **sections})
	messages = [*before, {"role": "user", "content": content}]
	request = validate({"messages": messages, "task_id": task_id}, loaded)
	chat = lifecycle.begin(request, loaded, 0.0)
	_chunks, answer = run(lifecycle.run(chat))
	return answer


def test_a_conversation_is_listed_read_renamed_and_deleted(
	chat_site: ChatSite, enqueued: list[dict[str, Any]]
) -> None:
	first = ask(chat_site, script({"text": "An animal."}))
	history = [
		{"role": "user", "content": "What is a whale?"},
		{"role": "assistant", "content": "An animal."},
	]
	ask(chat_site, script({"text": "Big."}), before=history)
	ask(chat_site, "Something else", "t2")
	listed = api.get_list()["conversations"]  # type: ignore[index]
	assert [entry["task_id"] for entry in listed] == ["t2", "t1"]
	assert listed[0]["title"] == "Something else"
	found: Any = api.get("t1")
	# A request adds its new messages only; the earlier ones are those of the request before.
	assert [len(turn["messages"]) for turn in found["turns"]] == [1, 1]
	assert [turn["answer"]["response"] for turn in found["turns"]] == ["An animal.", "Big."]
	assert found["turns"][0]["answer"]["request_id"] == first["request_id"]
	assert api.rename("t1", "  Whales ") == {"title": "Whales"}
	assert [entry["task_id"] for entry in api.get_list(search="whal")["conversations"]] == ["t1"]  # type: ignore[index]
	assert api.delete("t1") == {"deleted": 2}
	assert [entry["task_id"] for entry in api.get_list()["conversations"]] == ["t2"]  # type: ignore[index]
	row = chat_site.row(first["request_id"])
	assert (row["response"], row["new_messages"], row["title"], row["excerpt"]) == (None, None, None, None)
	assert row["usage"]["total_tokens"]


def test_the_conversation_of_another_user_does_not_exist(
	chat_site: ChatSite, enqueued: list[dict[str, Any]]
) -> None:
	ask(chat_site, "hello")
	frappe.local.session.user = BOB
	assert api.get_list() == {"conversations": []}
	for call in (api.get, api.delete, lambda task: api.rename(task, "Mine")):
		answer: Any = call("t1")
		assert (answer["success"], answer["error"]["code"]) == (False, "not_found")
	frappe.local.session.user = ANN
	assert api.get("t1")["title"] == "hello"  # type: ignore[index]


def test_wrong_fields_are_refused_with_a_sentence(
	chat_site: ChatSite, enqueued: list[dict[str, Any]]
) -> None:
	ask(chat_site, "hello")
	for answer, sentence in (
		(api.get(), "task_id is needed"),
		(api.get_list(search=["a"]), "search accepts"),
		(api.get_list(limit=0), "limit accepts"),
		(api.rename("t1", " "), "title accepts 1 to 80"),
		(api.rename("t1", "x" * 81), "title accepts 1 to 80"),
		(api.rename("t1", None), "title accepts 1 to 80"),
	):
		error = answer["error"]  # type: ignore[index]
		assert error["code"] == "invalid_request" and sentence in error["message"]


@pytest.mark.parametrize(
	"retention",
	[{}, {"keep_questions": True, "keep_content": False}, {"keep_content": True}, {"keep_questions": "yes"}],
)
def test_without_the_opt_in_nothing_of_a_question_is_kept(
	chat_site: ChatSite, enqueued: list[dict[str, Any]], retention: dict[str, Any]
) -> None:
	question = "A long question. " * 20 + "The secret."
	loaded = chat_site.configure(retention=retention)
	lifecycle.accept(chat_site.request(question), loaded, "running", 0.0)
	# Neither while it runs nor afterwards.
	assert "The secret" not in str(chat_site.database.read("SELECT * FROM request"))
	answer = ask(chat_site, question, retention=retention)
	stored = chat_site.database.read("SELECT * FROM request")
	assert "The secret" not in str(stored)
	row = chat_site.row(answer["request_id"])
	assert (row["new_messages"], row["title"]) == (None, None)
	assert (api.get_list(), enqueued) == ({"conversations": []}, [])


def test_keeping_that_ends_while_a_chat_runs_ends_for_it_too(chat_site: ChatSite) -> None:
	loaded = chat_site.configure(**KEPT)
	request = chat_site.request("The secret.")
	lifecycle.accept(request, loaded, "running", 0.0)
	assert "The secret" in str(chat_site.database.read("SELECT * FROM request"))
	chat_site.configure(retention={"keep_content": False})
	termination.end(chat_site.row(request.request_id))
	assert "The secret" not in str(chat_site.database.read("SELECT * FROM request"))


def test_a_running_conversation_is_not_deleted(chat_site: ChatSite) -> None:
	request = chat_site.request("hello", task_id="t1")
	lifecycle.accept(request, chat_site.configure(**KEPT), "running", 0.0)
	answer: Any = api.delete("t1")
	assert answer["error"]["code"] == "conflict"


PRICED = [("dear", 5, 25), ("cheap", 0.1, 0.4)]


def providers(site: ChatSite) -> list[dict[str, Any]]:
	return [
		{
			"name": name,
			"api": "openai",
			"api_base": site.provider.base("openai"),
			"api_key": "k",
			"default_model": f"{name}-model",
			"priority": number,
			"prices": {f"{name}-model": {"input": price, "output": output}},
		}
		for number, (name, price, output) in enumerate(PRICED)
	]


def test_the_cheapest_model_makes_the_title_after_the_first_answer(
	chat_site: ChatSite, enqueued: list[dict[str, Any]]
) -> None:
	sections = {"providers": providers(chat_site)}
	answer = ask(chat_site, script({"text": "An animal."}), **sections)
	assert answer["provider"] == "dear"
	assert enqueued == [{"user": ANN, "task_id": "t1"}]
	api.make_title(**enqueued[0])
	asked = chat_site.provider.requests[-1].body
	assert asked["model"] == "cheap-model"
	assert api.get("t1")["title"] == "Hello there"  # type: ignore[index]
	# The request for the title is counted, and is no conversation and has no title of its own.
	assert len(chat_site.database.read("SELECT * FROM request")) == 2
	assert len(api.get_list()["conversations"]) == len(enqueued) == 1  # type: ignore[index]
	# A further answer makes no other title.
	ask(chat_site, "And then?", before=[{"role": "assistant", "content": "x"}], **sections)
	assert len(enqueued) == 1
	assert api.get("t1")["title"] == "Hello there"  # type: ignore[index]


def test_a_title_that_the_user_gave_stays_and_a_failure_leaves_the_question(
	chat_site: ChatSite, enqueued: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
	ask(chat_site, "hello")
	api.rename("t1", "Mine")
	real = conversations.title_in

	def rename_meanwhile(text: str) -> str:
		api.rename("t1", "Mine again")
		return real(text)

	monkeypatch.setattr(conversations, "title_in", rename_meanwhile)
	api.make_title(**enqueued[0])
	assert api.get("t1")["title"] == "Mine again"  # type: ignore[index]
	ask(chat_site, script({"text": "Yes."}, {"for": "none"}), "t2", limits={"requests_per_minute": 3})
	title = api.get("t2")["title"]  # type: ignore[index]
	api.make_title(**enqueued[1])
	assert api.get("t2")["title"] == title  # type: ignore[index]


def test_titles_are_one_short_line() -> None:
	assert conversations.title_in('\n  "**Whales**"  \nmore') == "Whales"
	assert len(conversations.title_in("x" * 200)) == conversations.MAX_TITLE
	assert conversations.title_in(" \n") == ""


def test_a_program_with_an_ai_key_and_a_user_without_the_role_read_no_conversations(
	chat_site: ChatSite, enqueued: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
	ask(chat_site, "hello")
	calls = (api.get_list, lambda: api.get("t1"), lambda: api.rename("t1", "x"), lambda: api.delete("t1"))
	with monkeypatch.context() as patched:
		patched.setattr(keys, "current", lambda: keys.Key("k", ANN))
		for call in calls:
			refused: Any = call()
			assert refused["error"]["code"] == "not_permitted"
	monkeypatch.setattr(frappe.local, "roles_of", lambda _user: [])
	for call in calls:
		refused = call()
		assert refused["error"]["code"] == "not_permitted"


def test_a_chat_does_not_read_the_settings_again(
	chat_site: ChatSite, enqueued: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
	loaded = chat_site.configure(**KEPT)
	request = validate({"messages": [{"role": "user", "content": "hello"}]}, loaded)
	reads: list[None] = []
	monkeypatch.setattr(forms, "read", lambda: reads.append(None) or {})  # type: ignore[func-returns-value]
	chat = lifecycle.begin(request, loaded, 0.0)
	run(lifecycle.run(chat))
	assert len(enqueued) == 1
	assert reads == []
