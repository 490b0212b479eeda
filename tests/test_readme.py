"""The README's commands, as they stand there, run against a site."""

import contextlib
import io
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .support.provider import ScriptedProvider
from .support.site import Site, StandaloneSite, site_config

ROOT = Path(__file__).parent.parent
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
# bench's own commands need a bench; make's are what runs this suite, and `.ci/run` runs the demo.
ELSEWHERE = ("REPOSITORY=", "bench ", "env/bin/pip ", "make ")
PROGRAM = ".venv/bin/ai-assistant"
ASKS = ("curl ", f"{PROGRAM} chat ", f"{PROGRAM} doctor ")


def commands() -> list[str]:
	"""The shell commands, those continued over several lines as one."""
	shell = "\n".join(text for kind, text in BLOCKS if kind == "bash").replace("\\\n", "")
	return [line for line in shell.splitlines() if line.strip()]


@pytest.fixture(scope="module")
def provider() -> Iterator[ScriptedProvider]:
	with ScriptedProvider() as running:
		yield running


@pytest.fixture(scope="module")
def site(provider: ScriptedProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
	config = site_config(provider)
	# The doctor asks all of them, and the others would have it wait for litellm.
	config["providers"] = config["providers"][:1]
	with StandaloneSite(tmp_path_factory.mktemp("site"), config) as running:
		with running.client(running.first) as client:
			client.chat("warm up", task_id="conversation-1").wait()
		yield running


def environment(site: Site) -> dict[str, str]:
	return {
		**os.environ,
		"URL": site.url,
		"SITE": site.name,
		"LOGIN": site.first.user,
		"PASSWORD": site.first.password,
		"TOKEN": str(site.first.token),
	}


@pytest.mark.parametrize("command", [c for c in commands() if c.startswith(ASKS)])
def test_a_command_does_what_it_says(
	site: Site, command: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
	# One folder for all: a login's cookies are used by the next command.
	folder = tmp_path_factory.getbasetemp() / "readme"
	folder.mkdir(exist_ok=True)
	if not (folder / "docs").exists():
		(folder / "docs").symlink_to(ROOT / "docs")
	command = command.replace(PROGRAM, f"{sys.executable} -m ai_assistant.cli")
	done = subprocess.run(
		command,
		shell=True,
		cwd=folder,
		env={**environment(site), "PYTHONPATH": str(ROOT)},
		capture_output=True,
		text=True,
	)
	assert done.returncode == 0, done.stderr
	if command.startswith("curl "):
		message = json.loads(done.stdout)["message"]
		assert message == "Logged In" or message.get("success", True) is True
	elif " doctor " in command:
		assert done.stdout.count("✓") == len(done.stdout.splitlines())
	else:
		assert "whole and in order" in done.stderr


@pytest.mark.timeout(120)
@pytest.mark.parametrize("command", [c for c in commands() if c.startswith(PROGRAM + " serve")])
def test_a_site_starts_and_stops(command: str, tmp_path: Path, provider: ScriptedProvider) -> None:
	(tmp_path / "site_config.json").write_text(json.dumps({"ai_assistant": site_config(provider)}))
	program, *arguments = command.split()
	assert program == PROGRAM
	# A port that is free here, whatever the one in the README.
	process = subprocess.Popen(
		[sys.executable, "-m", "ai_assistant.cli", *arguments, "--port", "0"],
		cwd=tmp_path,
		env={**os.environ, "OPENAI_API_KEY": "sk-none", "XDG_STATE_HOME": str(tmp_path)},
		stderr=subprocess.PIPE,
		text=True,
	)
	assert process.stderr
	assert any("The standalone site answers at http://127.0.0.1:" in line for line in process.stderr)
	if "--site-config" in command:
		# The others would ask a real provider.
		hint = next(line for line in process.stderr if " chat " in line).strip()
		assert hint.startswith("ai-assistant chat ")
		text = hint.replace("ai-assistant", f"{sys.executable} -m ai_assistant.cli", 1)
		done = subprocess.run(text, shell=True, cwd=ROOT, capture_output=True, text=True)
		assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "Hello there."), done.stderr
	process.send_signal(signal.SIGINT)
	process.stderr.read()
	assert process.wait() == 0


@pytest.mark.parametrize("code", [text for kind, text in BLOCKS if kind == "python"])
def test_the_python_runs_and_says_something(code: str, site: Site, provider: ScriptedProvider) -> None:
	names: dict[str, Any] = {
		"API_BASE": provider.base("openai"),
		"URL": site.url,
		"SITE": site.name,
		"TOKEN": site.first.token,
	}
	output = io.StringIO()
	with contextlib.redirect_stdout(output):
		exec(code, names)
	assert "Hello there." in output.getvalue() or "completion" in output.getvalue()


def test_the_deployment_guide_installs_by_the_same_commands() -> None:
	guide = (ROOT / "docs" / "deployment.md").read_text()
	installs = [text for kind, text in BLOCKS if kind == "bash" and "bench get-app" in text]
	assert len(installs) == 1 and installs[0].startswith("REPOSITORY=")
	_before, section = guide.split("\n## Install\n")
	block = re.search(r"^```bash\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
	assert block and block[1] == installs[0]
	# The behaviour of a running site meanwhile, and how to restart a bench without supervisor.
	assert "may answer 500" in section and "Without supervisor it does nothing" in section


def test_every_command_is_run_here_or_by_what_it_belongs_to() -> None:
	for command in commands():
		assert command.startswith((*ELSEWHERE, *ASKS)) or " serve" in command, command
	ci = (ROOT / ".ci" / "run").read_text()
	for command in commands():
		# `make serve` does what the `serve` commands above do, and does not end.
		assert not command.startswith("make ") or command in ci or command == "make serve", command


def test_the_configuration_is_one_that_the_site_takes(monkeypatch: pytest.MonkeyPatch) -> None:
	import frappe

	from ai_assistant.config import settings

	monkeypatch.setattr(frappe.local, "site", "s", raising=False)

	(example,) = [json.loads(text) for kind, text in BLOCKS if kind == "json" and "ai_assistant" in text]
	frappe.local.conf = example
	try:
		assert [provider.name for provider in settings.load().providers] == ["claude", "local"]
	finally:
		del frappe.local.conf
