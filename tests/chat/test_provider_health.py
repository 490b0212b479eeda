"""The health of providers that the processes of a site share in Redis, and that each keeps for itself without it."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ai_assistant.chat.provider_health import SharedState


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


def test_two_processes_share_what_expires(redis_url: str) -> None:
	one, other = SharedState(redis_url, "site|"), SharedState(redis_url, "site|")
	assert one.put("rest", "first_token", 60) and other.get(["rest", "none"]) == {"rest": "first_token"}
	assert not other.put("rest", "again", 60, if_absent=True)
	assert [one.add("hung", 60), other.add("hung", 60)] == [1, 2]
	assert all(0 < one._redis.pttl(f"site|{name}") <= 60_000 for name in ("rest", "hung"))
	other.delete(["rest"])
	assert one.get(["rest"]) == {}
	assert SharedState(redis_url, "another site|").get(["hung"]) == {}


def test_without_redis_each_process_keeps_its_own() -> None:
	state = SharedState("redis://127.0.0.1:1", "site|")
	assert state.put("rest", "first_token", 60) and state.get(["rest"]) == {"rest": "first_token"}
	assert not state.put("rest", "again", 60, if_absent=True)
	assert [state.add("hung", 60), state.add("hung", 60)] == [1, 2]
	state.delete(["rest"])
	assert state.get(["rest"]) == {}
