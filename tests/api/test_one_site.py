"""Tests that need a site of their own: its logs, its files, and changes of its configuration."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ai_assistant.client import ApiError, Client
from ai_assistant.client.conformance import violations
from tests.support import script, unique
from tests.support.provider import ScriptedProvider
from tests.support.site import APIS, CANARY_KEY, Site, StandaloneSite, each_adapter, site_config


@pytest.fixture
def client(site: Site) -> Iterator[Client]:
	with site.client(site.first) as opened:
		opened.connect()
		yield opened


TOOLS = [{"type": "function", "function": {"name": "clock"}}]
LINE = r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\] \[WebSocket\] "


def test_each_event_is_a_line_of_the_log_and_of_standard_error(
	client: Client, process: StandaloneSite
) -> None:
	task = "a task\u202e= user=x"
	text = unique("never-in-the-log")
	call = {"call": 0, "id": "call_1", "name": "clock", "arguments": f'{{"a":"{text}"}}'}
	stream = client.chat(script({"reasoning": text}, {"text": text}, call), task_id=task, tools=TOOLS)
	stream.wait()
	logged = process.log_file.read_text()
	escaped = "a%20task%E2%80%AE%3D%20user%3Dx"
	ids = rf"task={escaped} request={stream.request_id} seq={{}} user=first@example\.com$"
	for pattern in (
		rf"^{LINE}💭 REASONING emitted: 0 chars {ids.format(1)}",
		rf"^{LINE}💭 REASONING emitted: {len(text)} chars {ids.format(2)}",
		rf"^{LINE}📝 TEXT emitted: {len(text)} chars {ids.format(3)}",
		rf"^{LINE}🔧 TOOL_CALL emitted: {len(text) + 8} chars {ids.format(4)}",
		rf"^{LINE}✅ COMPLETION emitted {ids.format(5)}",
	):
		assert len(re.findall(pattern, logged, re.MULTILINE)) == 1, pattern
	assert text not in logged
	written = [line for line in logged.splitlines() if stream.request_id in line]
	assert [line.rstrip("\n") for line in process.stderr if stream.request_id in line] == written


def test_what_is_dropped_is_named_in_the_log(client: Client, process: StandaloneSite) -> None:
	stream = client.chat("hello", reasoning_effort="high")
	stream.wait()
	line = next(
		line
		for line in process.log_file.read_text().splitlines()
		if stream.request_id in line and "dropped" in line
	)
	assert "reasoning_effort" in line


def test_the_brake_answers_without_events(
	client: Client, process: StandaloneSite, provider: ScriptedProvider
) -> None:
	process.configure({**site_config(provider), "realtime": {"enabled": False}})
	try:
		marker = unique("marker")
		call = {"call": 0, "id": "call_1", "name": "clock", "arguments": "{}"}
		stream = client.chat(
			script({"reasoning": "Hm."}, {"text": "Yes."}, call, {"note": marker}), tools=TOOLS
		)
		assert list(stream) == []
		answer = stream.answer
		assert answer and (answer["status"], answer["response"], answer["reasoning"]) == (
			"completed",
			"Yes.",
			"Hm.",
		)
		assert answer["realtime"] == {"events": 0, "failed": 0, "last_seq": 0}
		assert answer["usage"]["total_tokens"] == 18
		assert [tool_call["id"] for tool_call in answer["tool_calls"]] == ["call_1"]
		assert provider.wait_for(marker).body["stream"]
		assert client.get("get_request", request_id=stream.request_id) == answer
		assert client.get("get_events", request_id=stream.request_id)["events"] == []
		failed = client.chat(script({"status": 401}))
		assert list(failed) == []
		assert failed.answer and failed.answer["error"]["code"] == "provider_auth"
		hanging = client.chat(script({"hang": True}, {"note": marker + "-hang"}))
		request = provider.wait_for(marker + "-hang")
		assert client.post("cancel", request_id=hanging.request_id)["cancelled"] == [hanging.request_id]
		assert request.hung_up.wait(10)
		assert hanging.wait()["status"] == "cancelled"
	finally:
		process.configure(site_config(provider))
	assert client.chat("hello").wait()["realtime"]["events"] > 0


def test_a_site_that_keeps_no_content_answers_all_the_same(
	client: Client, process: StandaloneSite, provider: ScriptedProvider
) -> None:
	process.configure({**site_config(provider), "retention": {"keep_content": False}})
	try:
		text = unique("never-kept")
		call = {"call": 0, "id": "call_1", "name": "clock", "arguments": f'{{"a": "{text}"}}'}
		stream = client.chat(script({"reasoning": text}, {"text": text}, call), tools=TOOLS)
		events = [event for event in stream if event["type"] != "ai_status"]
		answer = stream.answer
		assert answer and violations(events, answer) == []
		assert (answer["response"], answer["reasoning"]) == (text, text)
		assert text in answer["tool_calls"][0]["function"]["arguments"]
		stored = client.get("get_request", request_id=stream.request_id)
		nothing = {"response": "", "reasoning": "", "tool_calls": [], "continuation": None}
		assert stored == {**answer, **nothing}
		journal = client.get("get_events", request_id=stream.request_id)["events"]
		emptied = {"text": "", "arguments": "", "tool_calls": []}
		assert journal == [
			{**event, **{name: value for name, value in emptied.items() if name in event}} for event in events
		]
	finally:
		process.configure(site_config(provider))


def test_a_change_of_the_configuration_counts_from_the_next_request_on(
	client: Client, process: StandaloneSite, provider: ScriptedProvider
) -> None:
	config = site_config(provider)
	try:
		process.configure({**config, "limits": {"max_tokens": 5}})
		with pytest.raises(ApiError) as refused:
			client.chat("hello", max_tokens=6).wait()
		assert "1 to 5" in str(refused.value)
		process.configure({"providers": []})
		with pytest.raises(ApiError) as refused:
			client.chat("hello").wait()
		assert (refused.value.status, refused.value.answer["error"]["code"]) == (503, "not_configured")
		assert client.get("list_models")["providers"] == []
		process.configure({**config, "providers": [{**config["providers"][0], "api_bse": "x"}]})
		with pytest.raises(ApiError) as refused:
			client.chat("hello").wait()
		assert refused.value.status == 503
		assert "api_bse" in str(refused.value) and CANARY_KEY not in str(refused.value)
	finally:
		process.configure(config)
	assert client.chat("hello").wait()["status"] == "completed"


def test_a_provider_that_is_wrong_stops_nobody_but_who_asks_for_it(
	client: Client, process: StandaloneSite, provider: ScriptedProvider
) -> None:
	config, gate = site_config(provider), unique("gate")
	waiting = client.post(
		"chat_completion",
		messages=[{"role": "user", "content": script({"text": "So"}, {"gate": gate})}],
		background=True,
	)["request_id"]
	provider.wait_for(gate)
	wrong = [{"name": "wrong", "api": "openai", "default_model": "m"}, *config["providers"]]
	try:
		process.configure({**config, "providers": wrong})
		assert client.chat("hello").wait()["status"] == "completed"
		assert "wrong" not in [offered["name"] for offered in client.get("list_models")["providers"]]
		assert client.get("get_events", request_id=waiting, wait=1)["events"]
		assert client.post("cancel", request_id=waiting) == {"cancelled": [waiting]}
		assert client.get("get_events", request_id=waiting, after_seq=2, wait=20)["events"]
		with pytest.raises(ApiError, match="wrong cannot be used: api_key accepts") as refused:
			client.chat("hello", provider="wrong").wait()
		assert (refused.value.status, refused.value.answer["error"]["code"]) == (503, "not_configured")
	finally:
		provider.open(gate)
		process.configure(config)


def peak_kb(process: StandaloneSite) -> int:
	return int(Path(f"/proc/{process.pid}/status").read_text().split("VmHWM:")[1].split()[0])


@pytest.mark.parametrize("adapter", APIS)
def test_a_provider_without_end_is_cut_hung_up_on_and_leaves_memory_flat(
	client: Client, process: StandaloneSite, provider: ScriptedProvider, adapter: str
) -> None:
	def flood(megabytes: int) -> dict[str, Any]:
		marker = unique("marker")
		steps = {"text": "x", "times": 10_000, "repeat": 100 * megabytes}
		prompt = script({"reasoning": "Hm."}, steps, {"note": marker})
		answer = client.chat(prompt, provider=adapter).wait()
		request = provider.wait_for(marker)
		# What lies in the buffers of sockets and of the bridge was written, and is no part of the answer.
		assert megabytes < 100 or request.hung_up.wait(20)
		assert sum(len(data) for _at, data in request.written) < 20_000_000
		return answer

	try:
		process.configure(each_adapter(provider))
		# A busy machine may import litellm for longer than a provider may be silent, and another one answers.
		assert any(flood(2)["provider"] == adapter for _ in range(5))
		# The peak counts from here on.
		Path(f"/proc/{process.pid}/clear_refs").write_text("5")
		before = peak_kb(process)
		answer = flood(100)
	finally:
		process.configure(site_config(provider))
	assert (answer["status"], answer["finish_reason"], answer["provider"]) == ("completed", "length", adapter)
	assert len(answer["reasoning"]) + len(answer["response"]) == 1_000_000
	assert peak_kb(process) < before + 20_000
	assert client.get("get_request", request_id=answer["request_id"]) == answer


def test_a_provider_that_does_not_count_its_tokens_is_cut_too(client: Client) -> None:
	answer = client.chat(script({"text": "x", "times": 10_000}), max_tokens=5).wait()
	assert (len(answer["response"]), answer["finish_reason"]) == (4096 + 5 * 20, "length")


def test_an_unreachable_provider_is_said(
	client: Client, process: StandaloneSite, provider: ScriptedProvider
) -> None:
	config = site_config(provider)
	nowhere = {**config["providers"][0], "api_base": "http://127.0.0.1:9/v1"}
	try:
		process.configure({**config, "providers": [nowhere]})
		stream = client.chat("hello")
		assert [event["type"] for event in stream if event["type"] != "ai_status"] == [
			"reasoning",
			"completion",
		]
		assert stream.answer and stream.answer["error"]["code"] == "provider_unavailable"
		assert "scripted could not be reached" in stream.answer["error"]["message"]
	finally:
		process.configure(config)


def test_the_key_is_in_no_file_but_the_configuration(client: Client, process: StandaloneSite) -> None:
	# The provider echoes the key it was sent in each of the ways it can fail.
	for steps in (
		[{"status": 401, "echo": True}],
		[{"text": "a"}, {"error_echo": True}],
		[{"text": "a"}, {"cut": True}],
	):
		stream = client.chat(script(*steps))
		assert CANARY_KEY not in str(list(stream)) + str(stream.answer)
		assert stream.error and CANARY_KEY not in str(stream.error.body)
	files = [path for path in process.folder.rglob("*") if path.is_file() and path != process.config_file]
	assert {path.suffix for path in files} >= {".log", ".sqlite"}
	assert CANARY_KEY in process.config_file.read_text()
	for path in files:
		assert CANARY_KEY.encode() not in path.read_bytes(), path
	assert CANARY_KEY not in "".join(process.stderr)


@contextmanager
def without_table(process: StandaloneSite, name: str) -> Iterator[None]:
	"""The store refuses what needs this table for as long as the context lasts."""
	path = process.data / "site.sqlite"
	with sqlite3.connect(path, timeout=10) as database:
		database.execute(f"ALTER TABLE {name} RENAME TO {name}_away")
	try:
		yield
	finally:
		with sqlite3.connect(path, timeout=10) as database:
			database.execute(f"ALTER TABLE {name}_away RENAME TO {name}")


def test_a_store_that_refuses_in_the_middle_costs_nothing_that_had_arrived(
	client: Client, process: StandaloneSite, provider: ScriptedProvider
) -> None:
	gate = unique("gate")
	stream = client.chat(script({"text": "one "}, {"gate": gate}, {"text": "two"}, {"hang": True}))
	next(event for event in stream if event["type"] == "text")
	with without_table(process, "event"):
		provider.open(gate)
		for _ in stream:
			pass
	assert stream.answer and stream.error
	assert (stream.answer["status"], stream.answer["error"]["code"]) == ("failed", "internal_error")
	assert stream.answer["response"] == "one two"
	assert "Traceback" not in str(stream.error) and "event" not in stream.answer["error"]["message"]


def test_a_store_that_refuses_at_the_end_costs_nothing_of_the_answer(
	client: Client, process: StandaloneSite, provider: ScriptedProvider
) -> None:
	gate = unique("gate")
	stream = client.chat(script({"text": "one "}, {"gate": gate}, {"text": "two"}))
	next(event for event in stream if event["type"] == "text")
	with without_table(process, "event"):
		provider.open(gate)
		for _ in stream:
			pass
	assert stream.answer and stream.error is None
	assert (stream.answer["status"], stream.answer["response"]) == ("completed", "one two")


def test_a_defect_is_a_sentence_with_the_traceback_in_the_log(
	client: Client, process: StandaloneSite
) -> None:
	with without_table(process, "request"):
		response = client.http.get(
			"/api/method/ai_assistant.api.get_request", params={"request_id": "12345678"}
		)
	assert response.status_code == 500
	assert response.json()["message"]["error"]["code"] == "internal_error"
	assert "Traceback" not in response.text and "sqlite" not in response.text
	assert "no such table" in process.log_file.read_text()
