"""A process of the bench that dies while the model writes a tool call, or while the provider runs the answer by itself."""

import signal

import pytest

from ai_assistant.client import Client
from tests.faults.test_killed_calls import TOOLS, cut_call, written
from tests.support import script, unique
from tests.support.ledger import LEDGER
from tests.support.provider import ScriptedProvider

from .stack import Stack
from .test_bench_faults import BOTH, chats

pytestmark = pytest.mark.timeout(180)


@BOTH
def test_what_was_written_of_a_call_is_given_when_the_process_is_killed(
	stack: Stack, client: Client, background: bool
) -> None:
	name = "worker" if background else "web"
	prompt = script({"text": "I write."}, *written('{"path": ', '"a.py", "te'), {"hang": True})
	with chats(client) as chat:
		one = chat(prompt, background, tools=TOOLS, stream_tool_calls=True)
		# Event 1, the text, the start of the call, and its two pieces.
		one.wait_for(5)
		stack.kill(name)
		stack.start(name)
		events, answer = one.result()
	assert answer["tool_calls"] == [cut_call('{"path": "a.py", "te')]
	assert [event["type"] for event in events[5:]] == ["tool_call", "completion"]
	fault = f"kill -9 of the {name} process while the model writes a tool call"
	LEDGER.settle(fault, "I write.", events, answer, end="worker_lost")


@pytest.mark.parametrize("death", [signal.SIGKILL, signal.SIGTERM])
def test_the_next_worker_reads_on_what_the_provider_runs_by_itself(
	stack: Stack, client: Client, provider: ScriptedProvider, death: signal.Signals
) -> None:
	gate, marker = unique("gate"), unique("marker")
	steps = [{"text": "I write."}, *written('{"path": '), {"gate": gate}, {"call": 0, "arguments": '"a.py"}'}]
	with chats(client) as chat:
		prompt = script({"note": marker}, *steps)
		one = chat(prompt, True, provider="detached", tools=TOOLS, stream_tool_calls=True)
		one.wait_for(4)
		if death is signal.SIGKILL:
			stack.kill("worker")
		else:
			# The second signal ends the chats that run.
			stack.signal("worker", death)
			stack.stop("worker")
		stack.start("worker")
		provider.open(gate)
		while client.get("get_request", request_id=one.stream.request_id)["status"] in ("queued", "running"):
			stack.inside("minute")
		events, answer = one.result()
	function = {"name": "write", "arguments": '{"path": "a.py"}'}
	assert answer["tool_calls"] == [{"id": "call_1", "type": "function", "function": function}]
	assert sum(marker in request.text for request in provider.requests) == 1
	assert not answer["usage"]["estimated"]
	fault = f"{death.name} of the worker while the provider runs the answer by itself"
	LEDGER.settle(fault, "I write.", events, answer, end="completed")
