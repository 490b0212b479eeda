"""These need a bench: `make test-bench` names it, and `make test` leaves them out."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ai_assistant.client import Client
from tests.support.bench import Bench
from tests.support.provider import ScriptedProvider
from tests.support.site import PROVIDER_PORT

from .stack import Stack

BENCH = os.environ.get("AI_ASSISTANT_BENCH")
collect_ignore_glob = [] if BENCH else ["test_*.py"]


@pytest.fixture(scope="session")
def provider() -> Iterator[ScriptedProvider]:
	with ScriptedProvider(PROVIDER_PORT) as running:
		yield running


@pytest.fixture(scope="session")
def whole_stack(provider: ScriptedProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
	made = Stack(Bench(Path(str(BENCH)), os.environ["AI_ASSISTANT_SITE"]), tmp_path_factory.mktemp("stack"))
	try:
		for name in ("queue", "cache"):
			made.start(name)
		made.make_database()
		for name in ("realtime", "web", "worker"):
			made.start(name)
		yield made
	finally:
		made.stop_all()


@pytest.fixture
def stack(whole_stack: Stack) -> Iterator[Stack]:
	"""All of it, and all of it again afterwards."""
	yield whole_stack
	for name in ("queue", "cache", "database", "realtime", "web", "worker"):
		if name not in whole_stack.running or whole_stack.running[name].poll() is not None:
			whole_stack.start(name)


@pytest.fixture
def client(stack: Stack) -> Iterator[Client]:
	token = os.environ["AI_ASSISTANT_TOKEN"]
	with Client(stack.url, stack.bench.site, stack.socketio_url, token=token) as made:
		made.connect()
		yield made
