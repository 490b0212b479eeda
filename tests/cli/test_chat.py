"""`ai-assistant chat`, as a person or a script uses it: output and exit code."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import script
from tests.support.processes import command_line as run
from tests.support.provider import ScriptedProvider
from tests.support.site import CANARY_KEY, Site, StandaloneSite, site_config


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
	with ScriptedProvider() as provider:
		with StandaloneSite(tmp_path_factory.mktemp("site"), site_config(provider)) as running:
			with running.client(running.first) as client:
				client.chat("warm up").wait()
			yield running


def chat(site: Site, prompt: str, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
	account = ["--user", site.first.user, "--password", site.first.password]
	return run("chat", prompt, "--url", site.url, "--site", site.name, *account, *options, **environment)


def test_a_chat_shows_the_thinking_and_then_the_answer(site: Site) -> None:
	done = chat(site, script({"reasoning": "Let me see."}, {"sleep": 1.2}, {"text": "It is [so]."}))
	assert done.returncode == 0, done.stderr
	lines = done.stdout.splitlines()
	assert lines == [
		"💡 Thinking 0s",
		"💡 Thinking 1s",
		"── reasoning ──",
		"Let me see.",
		"── answer ──",
		"It is [so].",
	]
	assert "scripted of scripted answered: 4 events over Socket.IO, whole and in order" in done.stderr


def test_json_prints_the_events_one_a_line(site: Site) -> None:
	done = chat(site, script({"reasoning": "Hm."}, {"text": "Yes 💡."}), "--json")
	events = [json.loads(line) for line in done.stdout.splitlines()]
	assert [event["type"] for event in events] == ["reasoning", "reasoning", "text", "completion"]
	assert events[2]["text"] == "Yes 💡."
	assert done.returncode == 0


def test_a_terminal_that_lacks_a_character_gets_its_number(site: Site) -> None:
	prompt = script({"text": "né 思"})
	done = chat(site, prompt, PYTHONIOENCODING="ascii")
	assert (done.returncode, done.stdout.splitlines()[-1]) == (0, r"n\xe9 \u601d")
	done = chat(site, prompt, "--json", PYTHONIOENCODING="ascii")
	events = [json.loads(line) for line in done.stdout.splitlines()]
	assert (done.returncode, events[1]["text"]) == (0, "né 思")


CALL = {"call": 0, "id": "call_1", "name": "count_words", "arguments": '{"text": "one two"}'}


def test_with_tools_it_goes_on_until_the_model_has_its_answers(site: Site) -> None:
	turns = [
		{"turn": [{"reasoning": "I shall count."}, CALL]},
		{
			"turn": [
				{**CALL, "id": "call_2", "arguments": '{"words": 3}'},
				{"call": 1, "id": "c", "name": "no", "arguments": "{}"},
			]
		},
		{"turn": [{"reasoning": "Two."}, {"text": "Two words."}]},
	]
	done = chat(site, script(*turns), "--tools", "docs/examples/tools.py")
	assert done.returncode == 0, done.stderr
	assert '🔧 count_words {"text": "one two"}' in done.stdout.splitlines()
	assert done.stdout.endswith("── reasoning ──\nTwo.\n── answer ──\nTwo words.\n")
	assert '🔧 count_words → {"words": 2, "lines": 1, "characters": 7}' in done.stderr
	# What went wrong is told to the model, which may try again.
	assert "🔧 count_words → error: ValidationError" in done.stderr
	assert "🔧 no → error: there is no tool no" in done.stderr
	assert done.stderr.count("whole and in order") == 3


def test_a_model_that_calls_for_ever_is_left(site: Site) -> None:
	# The suite's site takes ten messages, which are five rounds.
	fewer = "from ai_assistant.cli import conversation, program; conversation.MAX_ROUNDS = 3; program.main()"
	account = [
		"--user",
		site.first.user,
		"--password",
		site.first.password,
		"--url",
		site.url,
		"--site",
		site.name,
	]
	command = [
		sys.executable,
		"-c",
		fewer,
		"chat",
		script(CALL),
		"--tools",
		"docs/examples/tools.py",
		"--json",
	]
	done = subprocess.run([*command, *account], capture_output=True, text=True)
	assert done.returncode == 1
	assert "✗ The model still calls tools after 3 rounds." in done.stderr
	events = [json.loads(line) for line in done.stdout.splitlines()]
	assert len({event["request_id"] for event in events}) == 3
	assert len({event["task_id"] for event in events}) == 1


@pytest.mark.parametrize(
	("source", "expected"),
	[
		("def f(:\n", "SyntaxError"),
		("1 / 0\n", "ZeroDivisionError"),
		("from json import dumps\n\ndef _f() -> None: ...\n", "defines no function"),
		("raise SystemExit('bye')\n", "SystemExit: bye"),
		("import no_such_module_of_anybody\n", "ModuleNotFoundError"),
		("def f(a: open) -> None: ...\n", "cannot be a tool: PydanticSchemaGenerationError"),
		("def f(*a: int, **b: int) -> None: ...\n", "cannot be a tool: PydanticInvalidForJsonSchema"),
		("def f(a: int, /) -> None: ...\n", "its parameters are not given by name"),
	],
)
def test_tools_that_cannot_be_loaded_are_said_in_a_line(tmp_path: Path, source: str, expected: str) -> None:
	(tmp_path / "tools.py").write_text(source)
	done = run("chat", "x", "--tools", str(tmp_path / "tools.py"))
	assert done.returncode == 2
	*_usage, line = done.stderr.splitlines()
	assert line.startswith("Error: ") and "--tools" in line and expected in line
	assert "Traceback" not in done.stderr


def test_that_the_local_model_takes_no_tools_is_said() -> None:
	done = run("chat", "x", "--tools", "docs/examples/tools.py")
	assert done.returncode == 2
	assert done.stderr.endswith("The local model takes no tools; name a --provider, or a site with --url.\n")


def test_a_file_of_tools_that_is_not_there_is_said() -> None:
	done = run("chat", "x", "--tools", "nowhere.py")
	assert done.returncode == 2 and "'nowhere.py' does not exist" in done.stderr


def test_an_api_key_will_do(site: Site) -> None:
	done = run(
		"chat", "hello", "--url", site.url, "--site", site.name, AI_ASSISTANT_TOKEN=str(site.first.token)
	)
	assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "Hello there.")


def test_a_failed_chat_shows_what_had_arrived_and_exits_with_1(site: Site) -> None:
	done = chat(site, script({"text": "So far"}, {"error": "x"}))
	assert done.returncode == 1
	assert "So far" in done.stdout
	assert "✗ scripted is not available at the moment (HTTP 500)." in done.stderr
	assert CANARY_KEY not in done.stdout + done.stderr


@pytest.mark.parametrize(
	("arguments", "expected"),
	[
		(["--mode", "poet"], "mode accepts one of: chat, agent."),
		(["--provider", "nobody"], "provider accepts one of"),
	],
)
def test_a_refused_chat_says_why(site: Site, arguments: list[str], expected: str) -> None:
	done = chat(site, "hello", *arguments)
	assert done.returncode == 1
	assert expected in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize(
	("arguments", "code", "expected"),
	[
		(["chat"], 2, "PROMPT"),
		(["chat", "x", "--url", "http://127.0.0.1:9"], 2, "--token"),
		(["chat", "x", "--url", "http://127.0.0.1:9", "--token", "a:b"], 1, "does not answer"),
		(["chat", "x", "--url", "127.0.0.1:9", "--token", "a:b"], 1, "--url accepts"),
		(["chat", "x", "--url", "http://[::1", "--token", "a:b"], 1, "--url accepts"),
		(["chat", "x", "--user", "a", "--password", "b"], 2, "go with --url"),
		(["serve", "--model", "x"], 2, "--model goes with"),
		(["chat", "x", "--tools", "/no/such/file"], 2, "does not exist"),
		(["chat", "x", "--tools", "README.md"], 2, "no Python file"),
		(
			["chat", "x", "--url", "http://127.0.0.1:9", "--user", "a", "--password", "b"],
			1,
			"does not answer",
		),
		(["chat", "x", "--provider", "nobody"], 2, "openai"),
		(["chat", "x", "--provider", "openai"], 2, "OPENAI_API_KEY"),
		(["serve", "--site-config", "/no/such/file"], 2, "does not exist"),
	],
)
def test_what_a_person_can_mend_is_said_in_a_line(arguments: list[str], code: int, expected: str) -> None:
	done = run(*arguments)
	assert done.returncode == code
	assert expected in done.stderr and "Traceback" not in done.stderr


def test_a_wrong_password_is_said(site: Site) -> None:
	done = run(
		"chat", "x", "--url", site.url, "--site", site.name, "--user", site.first.user, "--password", "no"
	)
	assert done.returncode == 1
	assert "Invalid login credentials" in done.stderr


def test_a_config_that_is_no_json_is_said(tmp_path: Path) -> None:
	config = tmp_path / "site_config.json"
	config.write_text("{")
	done = run("serve", "--port", "0", "--site-config", str(config))
	assert done.returncode == 1
	assert "not valid JSON" in done.stderr and "Traceback" not in done.stderr


def test_a_port_in_use_is_said(site: Site, tmp_path: Path) -> None:
	config = tmp_path / "site_config.json"
	config.write_text("{}")
	port = site.url.rpartition(":")[2]
	done = run("serve", "--port", port, "--site-config", str(config), XDG_STATE_HOME=str(tmp_path))
	assert done.returncode == 1
	assert "cannot start" in done.stderr and "Traceback" not in done.stderr


def test_a_wrong_token_is_said(site: Site) -> None:
	done = run("chat", "x", "--url", site.url, "--site", site.name, "--token", "no:body")
	assert done.returncode == 1
	assert "HTTP 401" in done.stderr and "Traceback" not in done.stderr


def test_a_prompt_that_cannot_be_sent_is_an_error_and_no_hang(site: Site) -> None:
	done = chat(site, b"a\xff".decode(errors="surrogateescape"))
	assert done.returncode == 1
	assert "✗" in done.stderr and "Traceback" not in done.stderr


def test_a_reader_that_has_seen_enough_ends_the_chat(site: Site) -> None:
	account = f"--user {site.first.user} --password {site.first.password} --url {site.url} --site {site.name}"
	prompt = script({"repeat": 100, "text": "word\n", "every": 0.05})
	command = f"{sys.executable} -m ai_assistant.cli chat '{prompt}' --json {account} | head -1"
	done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
	assert json.loads(done.stdout)["seq"] == 1
	assert done.stderr == ""


def test_a_site_whose_realtime_is_off_still_shows_its_answer(tmp_path: Path) -> None:
	with ScriptedProvider() as provider:
		config = {**site_config(provider), "realtime": {"enabled": False}}
		with StandaloneSite(tmp_path, config) as site:
			done = chat(site, script({"reasoning": "Hm."}, {"text": "Yes."}))
	assert done.returncode == 0
	assert done.stdout == "Yes.\n"
	assert "realtime is switched off" in done.stderr


def test_events_that_did_not_come_over_the_socket_are_no_success(site: Site) -> None:
	deaf = (
		"import sys; from ai_assistant.client.event_socket import EventSocket; "
		"EventSocket.deliver = lambda *_: None; from ai_assistant.cli import main; main()"
	)
	account = ["--user", site.first.user, "--password", site.first.password]
	command = [sys.executable, "-c", deaf, "chat", "hello", "--url", site.url, "--site", site.name, *account]
	done = subprocess.run(command, capture_output=True, text=True)
	assert done.returncode == 3
	assert "Hello there." in done.stdout
	assert "No event came over Socket.IO" in done.stderr


def test_control_characters_of_a_model_do_not_reach_the_terminal(site: Site) -> None:
	done = chat(site, script({"reasoning": "\x1b[2Ja"}, {"text": "\x1b]0;pwned\x07b\tc"}))
	assert "\x1b" not in done.stdout and "\x07" not in done.stdout
	assert "[2Ja" in done.stdout and "b\tc" in done.stdout


def test_the_models_of_a_site_are_listed_with_what_is_known(site: Site) -> None:
	account = [
		"--url",
		site.url,
		"--site",
		site.name,
		"--user",
		site.first.user,
		"--password",
		site.first.password,
	]
	done = run("models", *account)
	assert done.returncode == 0, done.stderr
	lines = done.stdout.splitlines()
	assert "scripted/scripted: window -, answer -, -, price -" in lines
	known = (
		"claude/claude-sonnet-4-5: window 200,000, answer 64,000, vision, documents, tools, $3 in, $15 out"
	)
	assert known in lines
	objects = [json.loads(line) for line in run("models", "--json", *account).stdout.splitlines()]
	assert {"provider": "claude", "model": "claude-sonnet-4-5"}.items() <= objects[-2].items()
