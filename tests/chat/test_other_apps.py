"""Tests the hooks of other apps around a request. `ai_assistant/chat/test_other_apps.py` tests them on a bench."""

import contextvars
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import frappe
import pytest

from ai_assistant import app_hooks, own_connection
from ai_assistant.chat import lifecycle, other_apps, queue, termination
from ai_assistant.chat.errors import ChatError, worker_lost
from ai_assistant.chat.request import validate
from ai_assistant.config import access
from tests.chat.conftest import ANN, ChatSite
from tests.chat.runs import run
from tests.support import script

Hook = Callable[..., Any]


@pytest.fixture
def declare(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
	"""Returns a function that declares hooks: its name, then the functions in the order of their apps."""
	declared: dict[str, list[Hook]] = {}
	functions: dict[str, Hook] = {}

	def start(function: Hook, done: Hook, user: str) -> threading.Thread:
		def target() -> None:
			try:
				done(function())
			except Exception as error:
				done(error)

		# As own_connection does on a bench: a thread with the caller's site.
		thread = threading.Thread(target=contextvars.copy_context().run, args=(target,), daemon=True)
		thread.start()
		return thread

	def add(hook: str, *arguments: Hook) -> None:
		declared[hook] = list(arguments)
		functions.update({f"app.{n}": function for n, function in enumerate(arguments)})

	def paths(hook: str) -> list[str]:
		return [f"app.{n}" for n, _function in enumerate(declared.get(hook, ()))]

	monkeypatch.setattr(own_connection, "start", start)
	monkeypatch.setattr(frappe, "get_hooks", paths)
	monkeypatch.setattr(frappe, "get_attr", functions.__getitem__)
	return add


def ask(site: ChatSite, content: str) -> dict[str, Any]:
	chat = lifecycle.begin(site.request(content), site.configure(), 0.0)
	_chunks, answer = run(lifecycle.run(chat))
	return answer


def sent(site: ChatSite) -> str:
	"""Returns the text of the last message of the last question that the provider got."""
	content: str = site.provider.requests[-1].body["messages"][-1]["content"]
	return content


def test_hooks_get_the_request_and_change_its_messages_in_order(chat_site: ChatSite, declare: Any) -> None:
	offered: list[dict[str, Any]] = []

	def first(request: dict[str, Any]) -> None:
		offered.append({**request, "messages": [dict(message) for message in request["messages"]]})
		request["messages"][-1]["content"] += " one"

	def second(request: dict[str, Any]) -> None:
		request["messages"][-1]["content"] += " two"

	declare("ai_assistant_before_request", first, second)
	answer = ask(chat_site, "secret")
	assert answer["status"] == "completed"
	assert sent(chat_site) == "secret one two"
	(request,) = offered
	assert (request["user"], request["mode"], request["messages"][-1]["content"]) == (ANN, "chat", "secret")
	assert request["request_id"] == answer["request_id"]
	assert chat_site.row(answer["request_id"])["excerpt"] == "secret one two"


def test_the_input_that_a_standard_api_keeps_is_what_the_hooks_left(
	chat_site: ChatSite, declare: Any
) -> None:
	def redact(request: dict[str, Any]) -> None:
		for message in request["messages"]:
			message["content"] = message["content"].replace("4711", "[number]")

	def add(request: dict[str, Any]) -> None:
		request["messages"].append({"role": "user", "content": "Be brief."})

	kept_input = [
		{"role": "system", "content": "Input for 4711."},
		{"role": "user", "content": "Customer 4711"},
	]
	modes = [{"name": "chat", "system_prompt": "Prompt for 4711."}]
	settings = chat_site.configure(modes=modes)
	instructions = {"role": "system", "content": "Rules for 4711."}
	validated = validate({"messages": [instructions, *kept_input]}, settings)
	repeated = {"instructions": "Rules for 4711.", "tools": []}
	request = replace(validated, sent={"messages": kept_input, "repeated": repeated, "background": False})
	declare("ai_assistant_before_request", redact, add)
	changed = other_apps.before(request, settings)
	system, *others = changed.messages
	assert system == {
		"role": "system",
		"content": "Prompt for [number].\n\nRules for [number].\n\nInput for [number].",
	}
	assert changed.sent == {
		"messages": [{"role": "system", "content": "Input for [number]."}, *others],
		"repeated": {"instructions": "Rules for [number].", "tools": []},
		"background": False,
	}
	assert [message["content"] for message in others] == ["Customer [number]", "Be brief."]


def test_a_hook_may_leave_out_the_system_messages(chat_site: ChatSite, declare: Any) -> None:
	def leave_out(request: dict[str, Any]) -> None:
		request["messages"] = request["messages"][1:]

	settings = chat_site.configure(modes=[{"name": "chat", "system_prompt": "Prompt."}])
	validated = validate({"messages": [{"role": "user", "content": "Hi"}]}, settings)
	own = [{"role": "user", "content": "Hi"}]
	declare("ai_assistant_before_request", leave_out)
	for instructions in (None, "Rules."):
		sent = {"messages": own, "repeated": {"instructions": instructions}}
		changed = other_apps.before(replace(validated, sent=sent), settings)
		assert changed.sent == {"messages": own, "repeated": {"instructions": None}}
	# Nothing of the input is kept.
	sent = {"repeated": {"tools": []}}
	changed = other_apps.before(replace(validated, sent=sent), settings)
	assert (changed.sent, changed.messages) == (sent, own)


@pytest.mark.parametrize("error", [frappe.ValidationError, frappe.PermissionError])
def test_a_hook_refuses_a_request_which_leaves_no_row(
	chat_site: ChatSite, declare: Any, error: type[Exception]
) -> None:
	def refuse(request: dict[str, Any]) -> None:
		raise error("No customer data, please.")

	declare("ai_assistant_before_request", refuse)
	request = chat_site.request("secret")
	for accept in (lifecycle.begin, queue.put):
		with pytest.raises(ChatError) as refused:
			accept(request, chat_site.configure(), 0.0)
		assert (refused.value.code, str(refused.value)) == ("not_permitted", "No customer data, please.")
	assert chat_site.store.get(ANN, request.request_id) is None


def test_a_failing_slow_or_wrong_hook_is_skipped_and_named_in_the_log(
	chat_site: ChatSite, declare: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
	monkeypatch.setattr(app_hooks, "LIMIT_S", 0.1)
	release = threading.Event()

	def fail(request: dict[str, Any]) -> None:
		request["messages"][-1]["content"] = "half done"
		raise ZeroDivisionError

	def lookup(request: dict[str, Any]) -> None:
		raise frappe.DoesNotExistError("Customer X not found")

	def wait(request: dict[str, Any]) -> None:
		request["messages"][-1]["content"] = "too late"
		release.wait(20)

	def wrong(request: dict[str, Any]) -> None:
		request["messages"] = "no list"

	def last(request: dict[str, Any]) -> None:
		request["messages"][-1]["content"] += " and on"

	logged: list[str] = []
	monkeypatch.setattr(app_hooks.logger(), "error", lambda line, **_kwargs: logged.append(line))
	declare("ai_assistant_before_request", fail, lookup, wait, wrong, last)
	try:
		assert ask(chat_site, "hello")["status"] == "completed"
	finally:
		release.set()
	assert sent(chat_site) == "hello and on"
	assert [line.split(": ", 1)[1].split(";")[0] for line in logged] == [
		"app.0 failed",
		"app.1 failed",
		"app.2 takes longer than 0.1 s",
		"app.3 left messages that are not valid: messages accepts a list of {role, content},"
		" or the same as a JSON string.",
	]


def test_each_end_of_a_request_is_told_once(chat_site: ChatSite, declare: Any) -> None:
	answers: list[dict[str, Any]] = []

	def fail(answer: dict[str, Any]) -> None:
		answer["response"] = "changed"
		raise ZeroDivisionError

	declare("ai_assistant_after_response", fail, answers.append)
	completed = ask(chat_site, script({"text": "Yes."}))
	failed = ask(chat_site, script({"status": 401}))
	assert answers == [completed, failed]
	assert completed["response"] == "Yes."
	# A request whose process died, which two processes find.
	publisher = lifecycle.accept(chat_site.request("hello"), chat_site.configure(), "running", 0.0)
	row = chat_site.row(publisher.ids["request_id"])
	for _process in range(2):
		termination.end(row, worker_lost())
	assert [(answer["status"], answer["request_id"]) for answer in answers[2:]] == [
		("failed", row["request_id"])
	]


def test_the_hooks_of_a_queued_request_are_called_once(
	chat_site: ChatSite, declare: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
	monkeypatch.setattr(frappe.local, "roles_of", lambda _user: [], raising=False)
	calls: list[str] = []

	def before(request: dict[str, Any]) -> None:
		calls.append("before")
		request["messages"][-1]["content"] = "redacted"

	settings = chat_site.configure()
	declare("ai_assistant_before_request", before)
	queued = queue.put(chat_site.request("secret", background=True), settings, 0.0)
	row = chat_site.row(queued["request_id"])
	taken = queue.take(row["name"])
	assert taken
	run(lifecycle.run(taken))
	assert (calls, sent(chat_site)) == (["before"], "redacted")
	assert "secret" not in str(chat_site.row(queued["request_id"]))


def test_a_filter_withholds_models(chat_site: ChatSite, declare: Any) -> None:
	settings = chat_site.configure(
		providers=[
			{"name": "p", "api": "openai", "api_key": "k", "models": ["m1", "m2"], "default_model": "m1"},
			{"name": "q", "api": "openai", "api_key": "k", "models": ["*"], "default_model": "m3"},
			{"name": "r", "api": "openai", "api_key": "k", "models": ["m4"], "default_model": "m4"},
		],
		aliases=[
			{"name": "old", "provider": "p", "model": "m1"},
			{"name": "new", "provider": "p", "model": "m2"},
		],
	)
	offered: list[tuple[str, list[str]]] = []

	def only(user: str, models: list[str]) -> list[str]:
		offered.append((user, models.copy()))
		return ["p/m2", "q/m3", "x/unknown"]

	def fail(user: str, models: list[str]) -> list[str]:
		raise frappe.ValidationError("broken")

	declare("ai_assistant_models", only, fail, lambda _user, _models: None)
	stored = access.filtered(settings, ANN)
	assert [(provider.name, provider.models, provider.default_model) for provider in stored.providers] == [
		("p", ("m2",), "m2"),
		("q", ("m3",), "m3"),
	]
	assert list(stored.aliases) == ["new"] and stored.is_limited
	assert offered == [(ANN, ["p/m1", "p/m2", "q/m3", "q/*", "r/m4"])]


def test_without_hooks_nothing_starts(chat_site: ChatSite, monkeypatch: pytest.MonkeyPatch) -> None:
	monkeypatch.setattr(own_connection, "start", lambda *_arguments: pytest.fail("a thread was started"))
	settings = chat_site.configure()
	assert ask(chat_site, "hello")["status"] == "completed"
	assert access.filtered(settings, ANN) is settings
