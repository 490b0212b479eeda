"""The health of providers that the processes of a site share in Redis, and that each keeps for itself without it."""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from ai_assistant.chat import provider_health
from ai_assistant.chat.provider_health import SharedState
from ai_assistant.gateway import Provider
from ai_assistant.gateway.health import Health
from tests.gateway.asking import scripted
from tests.support.provider import ScriptedProvider
from tests.support.site import CHECKOUT


@pytest.fixture
def redis_url(tmp_path: Path) -> Iterator[str]:
	"""A Redis of the test's own."""
	server = shutil.which("redis-server")
	if server is None:
		pytest.skip("redis-server is not installed")
	socket = tmp_path / "redis.sock"
	command = [server, "--port", "0", "--unixsocket", str(socket), "--save", "", "--dir", str(tmp_path)]
	with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
		until = time.monotonic() + 10
		while not socket.exists():
			assert time.monotonic() < until
		yield f"unix://{socket}"
		process.terminate()


def test_two_processes_share_what_expires(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
	# On a busy machine Redis may answer later than a chat would wait. Then each process uses its own memory.
	monkeypatch.setattr(provider_health, "TIMEOUT_S", 10)
	one, other = SharedState(redis_url, "site|"), SharedState(redis_url, "site|")
	assert one.put("rest", "first_token", 60) and other.get(["rest", "none"]) == {"rest": "first_token"}
	assert not other.put("rest", "again", 60, if_absent=True)
	assert [one.add("hung", 60), other.add("hung", 60)] == [1, 2]
	assert all(0 < one._redis.pttl(f"site|{name}") <= 60_000 for name in ("rest", "hung"))
	other.delete(["rest"])
	assert one.get(["rest"]) == {}
	assert SharedState(redis_url, "another site|").get(["hung"]) == {}


def test_of_three_processes_the_third_does_not_wait_for_a_provider_that_hangs(redis_url: str) -> None:
	with ExitStack() as stack:
		first, second = (stack.enter_context(ScriptedProvider()) for _ in range(2))
		fields: list[dict[str, Any]] = [
			{"name": name, "api": "openai", "api_key": "none", "default_model": "m", "priority": n}
			| {"api_base": server.base("openai")}
			for n, (name, server) in enumerate({"hangs": first, "answers": second}.items())
		]
		second.open("speak")
		chats = []
		for n in range(3):
			messages = scripted([{"gate": "speak"}, {"text": "Hi"}], f"chat-{n} ")
			chat = subprocess.Popen(
				[sys.executable, "-m", "tests.chat.one_chat"],
				cwd=CHECKOUT,
				stdin=subprocess.PIPE,
				stdout=subprocess.PIPE,
				text=True,
			)
			stack.callback(chat.kill)
			assert chat.stdin
			chat.stdin.write(json.dumps({"redis_url": redis_url, "providers": fields, "messages": messages}))
			chat.stdin.close()
			chats.append(chat)
		for n in range(3):
			first.wait_for(f"chat-{n} ")
		second.wait_for("chat-")
		(third,) = [n for n in range(3) if second.count(f"chat-{n} ")]
		assert answered_by(chats[third]) == "answers"
		# The other two wait until the first provider speaks. Then all processes know that it does not hang.
		first.open("speak")
		assert [answered_by(chat) for n, chat in enumerate(chats) if n != third] == ["hangs"] * 2
		health, provider = Health(SharedState(redis_url, "site|")), Provider(**fields[0])
		assert [health.silent(provider, "m") for _ in range(3)] == [False, False, True]


def answered_by(chat: subprocess.Popen[str]) -> str:
	"""Returns the name that a process of `one_chat` prints."""
	assert chat.stdout
	answer = chat.stdout.read().strip()
	assert chat.wait() == 0
	return answer


def test_without_redis_each_process_keeps_its_own() -> None:
	state = SharedState("redis://127.0.0.1:1", "site|")
	assert state.put("rest", "first_token", 60) and state.get(["rest"]) == {"rest": "first_token"}
	assert not state.put("rest", "again", 60, if_absent=True)
	assert [state.add("hung", 60), state.add("hung", 60)] == [1, 2]
	state.delete(["rest"])
	assert state.get(["rest"]) == {}
