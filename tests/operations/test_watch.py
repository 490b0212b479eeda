"""`ai-assistant watch` and `smoke`, as a person uses them."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.support import script
from tests.support.processes import command_line
from tests.support.provider import WRONG_KEY, ScriptedProvider
from tests.support.site import Site, StandaloneSite

from .conftest import config_for

CHIEF = "chief:secret"


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[StandaloneSite, ScriptedProvider]]:
	with ScriptedProvider() as provider:
		made = StandaloneSite(tmp_path_factory.mktemp("site"), config_for(provider))
		made.users["chief@example.com"] = {
			"api_key": "chief",
			"api_secret": "secret",
			"roles": ["System Manager"],
		}
		made.configure(config_for(provider))
		yield made, provider


@pytest.fixture(scope="module")
def site(process: tuple[StandaloneSite, ScriptedProvider]) -> Iterator[Site]:
	with process[0] as running:
		with running.client(running.first) as client:
			client.chat("warm up").wait()
		yield running


@contextmanager
def watching(site: Site, token: str, *options: str) -> Iterator[Iterator[str]]:
	"""The lines of a `watch` that runs as long as the context lasts."""
	command = ["watch", "--url", site.url, "--site", site.name, "--token", token, *options]
	process = subprocess.Popen(
		[sys.executable, "-m", "ai_assistant.cli", *command], stdout=subprocess.PIPE, text=True
	)
	assert process.stdout
	try:
		yield iter(process.stdout)
	finally:
		process.terminate()
		process.wait()
		process.stdout.close()


def until_the_end(lines: Iterator[str]) -> list[dict[str, Any]]:
	events = []
	for line in lines:
		events.append(json.loads(line))
		if events[-1]["type"] == "completion":
			break
	return events


def test_a_system_manager_watches_everybody_and_others_themselves(
	site: Site, process: tuple[StandaloneSite, ScriptedProvider]
) -> None:
	with (
		watching(site, CHIEF, "--json") as chief,
		watching(site, str(site.second.token), "--json") as second,
		site.client(site.first) as first_client,
		site.client(site.second) as second_client,
	):
		# They are shown from their beginning, so that both watch by the time each goes on.
		gates = ["first-goes-on", "second-goes-on"]
		first = first_client.chat(script({"gate": gates[0]}, {"text": "from the first"}))
		theirs = second_client.chat(script({"gate": gates[1]}, {"text": "from the second"}))
		seen = {json.loads(next(chief))["user"] for _ in range(2)}
		assert seen == {site.first.user, site.second.user}
		assert json.loads(next(second))["request_id"] == theirs.request_id
		process[1].open(gates[0])
		events = until_the_end(chief)
		assert [(event["user"], event["text"]) for event in events][:1] == [
			(site.first.user, "from the first")
		]
		assert events[-1]["request_id"] == first.request_id
		process[1].open(gates[1])
		assert {event["user"] for event in until_the_end(second)} == {site.second.user}
		assert {event["user"] for event in until_the_end(chief)} == {site.second.user}
		first.wait()
		theirs.wait()
	log = process[0].log_file.read_text()
	for stream, user in ((first, site.first.user), (theirs, site.second.user)):
		line = f"read reader=chief@example.com request={stream.request_id} user={user}\n"
		assert log.count(line) == 1
	assert "[Watch]" in log and f"reader={site.second.user}" not in log


def test_what_a_model_writes_stays_on_its_line(
	site: Site, process: tuple[StandaloneSite, ScriptedProvider]
) -> None:
	with watching(site, str(site.first.token)) as lines, site.client(site.first) as client:
		stream = client.chat(script({"gate": "watched"}, {"text": "one\ntwo\x1b[2J"}))
		shown = [next(lines)]
		process[1].open("watched")
		shown += [next(lines), next(lines)]
		stream.wait()
	assert shown[1].rstrip().endswith("2 text one\\ntwo\\x1b[2J")
	assert shown[2].rstrip().endswith("3 completion completed")


def test_ctrl_c_ends_it_without_a_word(site: Site, process: tuple[StandaloneSite, ScriptedProvider]) -> None:
	command = ["watch", "--url", site.url, "--site", site.name, "--token", str(site.first.token)]
	with (
		subprocess.Popen(
			[sys.executable, "-m", "ai_assistant.cli", *command],
			stdout=subprocess.PIPE,
			stderr=subprocess.PIPE,
			text=True,
		) as watch,
		site.client(site.first) as client,
	):
		stream = client.chat(script({"gate": "watched by one who leaves"}))
		assert watch.stdout and watch.stdout.readline()
		watch.send_signal(signal.SIGINT)
		_rest, text = watch.communicate()
		process[1].open("watched by one who leaves")
		stream.wait()
	assert (watch.returncode, text) == (0, "")


def test_smoke_says_one_line(site: Site) -> None:
	done = command_line("smoke", "--url", site.url, "--site", site.name, "--token", str(site.first.token))
	assert (done.returncode, done.stderr) == (0, "")
	(line,) = done.stdout.splitlines()
	assert line.startswith("✓ scripted of scripted answered: 5 events over Socket.IO, whole and in order")


def test_smoke_fails_with_the_chat(site: Site, process: tuple[StandaloneSite, ScriptedProvider]) -> None:
	made, provider = process
	config = config_for(provider)
	config["providers"] = [{**config["providers"][0], "api_key": WRONG_KEY}]
	made.configure(config)
	try:
		done = command_line("smoke", "--url", site.url, "--site", site.name, "--token", str(site.first.token))
	finally:
		made.configure(config_for(provider))
	assert (done.returncode, WRONG_KEY in done.stdout + done.stderr) == (1, False)
	assert done.stdout.startswith("✗ scripted refused its API key")


def test_smoke_exits_with_3_where_the_contract_does_not_hold(site: Site) -> None:
	deaf = (
		"import sys; from ai_assistant.client.event_socket import EventSocket; "
		"EventSocket.deliver = lambda *_: None; from ai_assistant.cli import main; main()"
	)
	where = ["--url", site.url, "--site", site.name, "--token", str(site.first.token)]
	done = subprocess.run([sys.executable, "-c", deaf, "smoke", *where], capture_output=True, text=True)
	assert done.returncode == 3
	assert "✗ No event came over Socket.IO" in done.stdout
