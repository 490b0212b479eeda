"""Looks for canaries in everything that a bench stores: log files, a database dump, and both Redis."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import redis

from ai_assistant.client import Client
from tests.security.test_secrets import ANSWER, FAULTS, PROMPT, THOUGHT, WORDS, chat
from tests.support import script, unique
from tests.support.bench import Bench
from tests.support.provider import ScriptedProvider
from tests.support.site import CANARY_KEY, PROVIDER_PORT, live_site

BENCH = Bench(Path(os.environ["AI_ASSISTANT_BENCH"]), os.environ["AI_ASSISTANT_SITE"])


def stored_bytes() -> dict[str, bytes]:
	"""All of it, by where."""
	name, password = BENCH.setting("db_name", ""), BENCH.setting("db_password", "")
	server = [f"-h{BENCH.setting('db_host', '127.0.0.1')}", f"-P{BENCH.setting('db_port', 3306)}"]
	dump = [
		"mariadb-dump",
		"--no-defaults",
		*server,
		f"-u{name}",
		f"-p{password}",
		"--single-transaction",
		name,
	]
	places = {"database": subprocess.run(dump, check=True, capture_output=True).stdout}
	for which in ("redis_cache", "redis_queue"):
		connection: Any = redis.from_url(BENCH.setting(which, ""))
		places[which] = b"".join(connection.dump(key) or b"" for key in connection.scan_iter(count=1000))
	for folder in (BENCH.folder / "logs", BENCH.sites / BENCH.site / "logs"):
		for path in folder.glob("*"):
			places[path.name] = places.get(path.name, b"") + path.read_bytes()
	assert {"database", "redis_queue", "ai_assistant.log"} <= places.keys() and places["database"]
	return places


def seek(*canaries: str) -> dict[str, list[str]]:
	places = stored_bytes()
	return {
		canary: [place for place, content in places.items() if canary.encode() in content]
		for canary in canaries
	}


@pytest.mark.timeout(300)
def test_a_bench_keeps_no_secret_of_chats_that_have_ended() -> None:
	site = live_site()
	assert site
	nowhere: dict[str, list[str]] = {canary: [] for canary in (PROMPT, ANSWER, THOUGHT, WORDS, CANARY_KEY)}
	assert seek(*nowhere) == nowhere, "these were there before the first chat of this test"
	with ScriptedProvider(PROVIDER_PORT) as provider, site.client(site.first, by_token=True) as client:
		client.connect()
		_in_the_queue(client, provider)
		for background in (False, True):
			for fault, steps in FAULTS.items():
				answer, told = chat(client, steps, background=background)
				assert (answer["status"] == "failed") == (fault != "none"), (fault, answer)
				assert not [
					secret for secret in (CANARY_KEY, WORDS, PROMPT, "Traceback") if secret in told
				], fault
		assert seek(*nowhere) == nowhere


def _in_the_queue(client: Client, provider: ScriptedProvider) -> None:
	"""That the search finds what is there: the question of one that is not answered yet, in its row alone."""
	gate, request = unique("gate"), unique("canary-question")
	stream = client.chat(script({"text": "a", "note": request}, {"gate": gate}), background=True)
	provider.wait_for(gate)
	assert seek(request) == {request: ["database"]}
	provider.open(gate)
	assert stream.wait()["status"] == "completed"
	assert seek(request) == {request: []}
