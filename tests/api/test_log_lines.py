"""Every line that the app logs, with values that would forge another."""

import importlib
import logging
import re
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import frappe
import pytest

import ai_assistant
from ai_assistant import app_hooks, log, store
from ai_assistant.api import responses
from ai_assistant.chat import detached, lifecycle, queue, termination, tool_rounds, webhooks
from ai_assistant.chat.errors import ChatError
from ai_assistant.chat.request import ChatRequest
from ai_assistant.config import forms, settings
from ai_assistant.config.sections import McpServer, Realtime, Settings
from ai_assistant.gateway import Completion, Pacing, Text, ToolCall
from ai_assistant.gateway.chunks import Trimmed
from ai_assistant.hooks import scheduler_events
from ai_assistant.operations import alerts
from ai_assistant.realtime import redis_health
from ai_assistant.realtime.publisher import Publisher
from ai_assistant.standalone.sqlite.views import SqliteViews
from ai_assistant.tools import functions, mcp
from ai_assistant.tools.tool import Caller, Tool, ToolError
from tests.support.fake_site import OUTCOME, FakeSite

FORGED = "[2026-01-01 00:00:00] [WebSocket] ✅ COMPLETION emitted task=t request=r seq=1 user=root"
BREAKS = ("\n", "\r", "\r\n", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029")
TRICKS = (
	"\x1b[2K\x1b[1A",
	"\x9b2K",
	"\u202e",
	"\u2066",
	"\u200f",
	"\0",
	"\x08" * 9,
	"\ud800",
	" user=root seq=1",
)
EVIL = "a" + "".join(f"{trick}{FORGED}" for trick in (*TRICKS, *BREAKS))


class Lines(logging.Handler):
	"""What is logged, as it is written, and from where in the package."""

	def __init__(self) -> None:
		super().__init__()
		self.setFormatter(log.LINE)
		self.written: list[str] = []
		self.places: set[tuple[str, int]] = set()

	def emit(self, record: logging.LogRecord) -> None:
		self.written.append(self.format(record))
		self.places.add((Path(record.pathname).name, record.lineno))


@pytest.fixture
def lines() -> Iterator[Lines]:
	logger, handler = log.logger(), Lines()
	level = logger.level
	logger.addHandler(handler)
	logger.setLevel(logging.DEBUG)
	yield handler
	logger.setLevel(level)
	logger.removeHandler(handler)


class Refusing(FakeSite):
	"""A store that says evil things."""

	def get(self, *_given: Any) -> None:
		raise RuntimeError(EVIL)

	def start(self, name: str, lease: float) -> Any:
		return {"name": name, "user": EVIL, "request_id": EVIL, "task_id": EVIL, "created": 0.0}, {EVIL: 1}

	def queued(self) -> list[Any]:
		return []


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Refusing]:
	made = Refusing()
	monkeypatch.setattr(store, "_find", lambda: made)
	local = {"db": made, "conf": {}, "session": frappe._dict(user=EVIL), "site": "s", "request": None}
	for name, value in local.items():
		setattr(frappe.local, name, value)
	yield made
	for name in local:
		delattr(frappe.local, name)


def evil(enabled: bool = True) -> Publisher:
	return Publisher(EVIL, EVIL, EVIL, EVIL, 1.0, enabled, keep_content=True)


def chat() -> lifecycle.Chat:
	request = ChatRequest(
		messages=[],
		model=EVIL,
		request_id=EVIL,
		task_id=EVIL,
		mode=EVIL,
		provider=EVIL,
		background=False,
		fingerprint="",
	)
	return lifecycle.Chat(request, Settings(), evil())


def log_all(site: Refusing, patch: pytest.MonkeyPatch) -> None:
	one = evil()
	one.accepted()
	one.status("thinking")
	one.forward(Text("x"))
	one.forward(ToolCall(EVIL, EVIL, EVIL))
	site.away = {"append"}
	evil().forward(Text("x"))
	site.away = set()
	with patch.context() as context:
		context.setattr(redis_health, "why_not", lambda: "redis does not answer")
		one.complete(one.row(OUTCOME))
	trimmed = Trimmed(1, 1)
	chat().completed(
		Completion(
			"stop", EVIL, EVIL, dropped=("temperature",), effort="low", trimmed=trimmed, compacted=True
		)
	)
	chat().completed(Completion("stop", EVIL, EVIL, hung_up_on=(EVIL, EVIL)))
	with patch.context() as context:
		context.setattr(site, "requeue", lambda *_given: None, raising=False)
		context.setattr(site, "get", lambda *_given: None)
		with pytest.raises(AttributeError):
			detached.hand_over(SimpleNamespace(publisher=one, request=chat().request, user=EVIL))  # type: ignore[arg-type]
	chat().failed(RuntimeError(EVIL))
	site.refuse = {"append"}
	chat().completed(Completion("stop", EVIL, EVIL))
	site.refuse = set()
	with patch.context() as context:
		context.setattr(termination, "end", lambda *arguments, **named: None)
		assert queue.take(EVIL) is None
		context.setattr(frappe, "enqueue", lambda *arguments, **named: 1 / 0)
		queue._enqueue(EVIL, Settings(), EVIL)
		context.setattr(responses, "may_use", lambda: True)
		responses.answers(lambda: SimpleNamespace(x=store.current().get()))()  # type: ignore[arg-type, call-arg, return-value]
		responses.refusal_of(ChatError("busy", EVIL), "chat_completion")
	log.fails_quietly(lambda: site.get())()
	app_hooks.skipped(app_hooks.BEFORE_REQUEST, "app.module.function", "failed", EVIL, RuntimeError(EVIL))
	log_tools(patch)
	with patch.context() as context:
		context.setattr(forms, "read", lambda: {"providers": [{"name": EVIL, EVIL: EVIL}]})
		context.setattr(settings, "_known_as", {})
		settings.load()
	with patch.context() as context:
		context.setattr(alerts, "load", lambda: Settings(realtime=Realtime(enabled=False)))
		context.setattr(alerts, "of_rows", lambda *_given: {("provider_failing", EVIL): "It fails."})
		for name, answer in (("ended", []), ("alerts", {}), ("keep_alert", None)):
			context.setattr(site, name, lambda *_given, answer=answer: answer, raising=False)
		alerts.check()
	with patch.context() as context:
		due = [SimpleNamespace(name=EVIL, attempts=0)]
		for name, answer in (("due_deliveries", due), ("begin_delivery", True), ("end_delivery", None)):
			context.setattr(site, name, lambda *_given, answer=answer: answer, raising=False)
		context.setattr(webhooks, "_send", lambda *_given: "it answered 500")
		webhooks._deliver_to(SimpleNamespace(url="https://hooks.example/path"))  # type: ignore[arg-type]
	database: Any = SimpleNamespace(read=lambda *_given: [(EVIL, EVIL, EVIL)])
	SqliteViews(database).log_view(EVIL, EVIL)


def log_tools(patch: pytest.MonkeyPatch) -> None:
	wrong = Tool(EVIL, EVIL, {"type": EVIL}, False, lambda _arguments, _caller: Future())
	one = chat()
	one.request = replace(one.request, site_tools=(EVIL,))

	def fails(_server: McpServer) -> list[Tool]:
		raise ToolError("The server takes long.")

	with patch.context() as context:
		context.setattr(tool_rounds, "tools_named", lambda _names, _settings: ({EVIL: wrong}, [EVIL]))
		assert tool_rounds._tools_for(one) == {}
		context.setattr(mcp, "listed", fails)
		context.setattr(mcp, "_lists", {})
		# pydantic accepts no lone surrogate.
		name = EVIL.replace("\ud800", "")
		assert mcp._remembered(McpServer(name, name)) == []
	calls = tool_rounds._Calls(one, {}, Pacing(), 0.0)
	assert [*calls.run(ToolCall(EVIL, EVIL, EVIL), is_last_round=True)] == []
	with patch.context() as context:
		context.setattr(frappe, "InReadOnlyMode", KeyError, raising=False)
		functions._explained(EVIL, Caller(EVIL), RuntimeError(EVIL))


def test_no_value_in_any_line_forges_another(
	site: Refusing, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
	log_all(site, monkeypatch)
	for record in lines.written:
		first, *rest = record.split("\n")
		assert re.match(r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\] \[\w+\] ", first)
		assert first.count("user=") <= 1 and FORGED not in first
		# A traceback may quote it, because its lines are indented.
		assert all(line.startswith("\t") for line in rest)
		for line in (first, *rest):
			assert line.replace("\t", "").isprintable(), line
			assert line.splitlines() == [line]


def test_the_lines_above_are_all_there_are(
	site: Refusing, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
	log_all(site, monkeypatch)
	package = Path(ai_assistant.__file__).parent
	there = {
		(path.name, number)
		for path in package.rglob("*.py")
		# A DocType's need a bench; theirs says the same words each time.
		if "doctype" not in path.parts
		for number, line in enumerate(path.read_text().splitlines(), start=1)
		if re.search(r"\blogger\(\)\.(debug|info|warning|error|exception)\(", line)
	}
	assert lines.places == there


((EACH_MINUTE,),) = scheduler_events["cron"].values()


@pytest.mark.parametrize(
	("job", "arguments", "parts"),
	[
		(queue.JOB, [EVIL], ["answer_queued"]),
		(EACH_MINUTE, [], ["sweep", "enqueue_again", "tally", "check"]),
	],
)
def test_a_job_and_each_part_of_one_fails_in_our_log_alone(
	site: Refusing,
	lines: Lines,
	monkeypatch: pytest.MonkeyPatch,
	job: str,
	arguments: list[str],
	parts: list[str],
) -> None:
	"""Frappe would keep the values of its variables: ai_assistant/chat/test_secrets.py has that on a bench."""

	def fails(*_given: Any) -> None:
		raise RuntimeError("no such table")

	for name in ("start", "queued", "lapsed", "count", "ended"):
		monkeypatch.setattr(site, name, fails, raising=False)
	module, _dot, name = job.rpartition(".")
	getattr(importlib.import_module(module), name)(*arguments)
	for line, part in zip(lines.written, parts, strict=True):
		assert f"[Job] {part} failed" in line and "RuntimeError: no such table" in line
