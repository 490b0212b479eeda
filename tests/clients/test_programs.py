"""Unmodified agents and command lines in their newest releases against the standalone site or a bench, without the internet."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support import script, unique
from tests.support.provider import ScriptedProvider
from tests.support.site import BUDGET_USD, DEAR, Site, StandaloneSite
from tests.support.v1 import ask, base

from .test_sdks import CLIENTS, NODE, key, process, provider, pytestmark, site

__all__ = ["process", "provider", "pytestmark", "site"]

BIN = NODE / "node_modules" / ".bin"
SECRET = "the-lamp-is-green-7731"
# Of each program that calls tools: its tool that runs a command, and the arguments that read the file.
SHELLS: dict[str, tuple[str, dict[str, Any]]] = {
	"codex": ("exec_command", {"cmd": "cat lighthouse.txt"}),
	"claude": ("Bash", {"command": "cat lighthouse.txt", "description": "Reads a file"}),
	"cn": ("Bash", {"command": "cat lighthouse.txt"}),
	"llm": ("read", {"name": "lighthouse.txt"}),
}


@dataclass(frozen=True)
class Asking:
	"""The configuration of a program: the site's address, a key and a model."""

	folder: Path
	base: str
	key: str
	model: str = "scripted"


@dataclass(frozen=True)
class Program:
	"""The command line of a program and its environment; its configuration is in the folder by then."""

	command: list[str]
	env: dict[str, str] = field(default_factory=dict)


def codex(asking: Asking, prompt: str) -> Program:
	home = asking.folder / "codex"
	home.mkdir(exist_ok=True)
	(home / "config.toml").write_text(
		f'model = "{asking.model}"\nmodel_provider = "site"\n[model_providers.site]\nname = "Site"\n'
		f'base_url = "{asking.base}"\nenv_key = "SITE_KEY"\nwire_api = "responses"\n'
	)
	options = ["--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox"]
	env = {"CODEX_HOME": str(home), "SITE_KEY": asking.key}
	return Program([str(BIN / "codex"), "exec", *options, prompt], env)


def claude(asking: Asking, prompt: str) -> Program:
	env = {
		"ANTHROPIC_BASE_URL": asking.base,
		"ANTHROPIC_AUTH_TOKEN": asking.key,
		"ANTHROPIC_MODEL": asking.model,
		"ANTHROPIC_DEFAULT_HAIKU_MODEL": asking.model,
		"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
	}
	return Program([str(BIN / "claude"), "-p", prompt, "--allowedTools", "Bash(cat:*)"], env)


def cn(asking: Asking, prompt: str) -> Program:
	model = {
		"name": "Site",
		"provider": "openai",
		"model": asking.model,
		"apiBase": asking.base,
		"apiKey": asking.key,
	}
	model |= {"roles": ["chat"], "capabilities": ["tool_use"]}
	config = asking.folder / "continue.yaml"
	# YAML is a superset of JSON.
	config.write_text(json.dumps({"name": "site", "version": "1.0.0", "schema": "v1", "models": [model]}))
	return Program([str(BIN / "cn"), "-p", prompt, "--auto", "--config", str(config)])


def llm(asking: Asking, prompt: str) -> Program:
	folder = asking.folder / "llm"
	folder.mkdir(exist_ok=True)
	model = {"model_id": "site", "model_name": asking.model, "api_base": asking.base, "api_key_name": "site"}
	(folder / "extra-openai-models.yaml").write_text(json.dumps([{**model, "supports_tools": True}]))
	(folder / "keys.json").write_text(json.dumps({"site": asking.key}))
	function = "def read(name: str) -> str:\n    return open(name).read()\n"
	command = [str(CLIENTS / "sdk" / "bin" / "llm"), "-m", "site", "--functions", function, prompt]
	return Program(command, {"LLM_USER_PATH": str(folder)})


def aider(asking: Asking, prompt: str) -> Program:
	options = [
		"--no-git",
		"--no-check-update",
		"--analytics-disable",
		"--no-show-model-warnings",
		"--yes-always",
	]
	command = [str(CLIENTS / "aider" / "bin" / "aider"), "--model", f"openai/{asking.model}", *options]
	env = {"OPENAI_API_BASE": asking.base, "OPENAI_API_KEY": asking.key}
	return Program([*command, "--message", prompt], env)


PROGRAMS: list[Callable[[Asking, str], Program]] = [codex, claude, cn, llm, aider]
without_aider = pytest.mark.skipif(
	not (CLIENTS / "aider").exists(), reason="left out: aider needs Python 3.10 to 3.12"
)
each_program = pytest.mark.parametrize(
	"program",
	[pytest.param(program, marks=without_aider if program is aider else ()) for program in PROGRAMS],
	ids=lambda program: program.__name__,
)


def start(program: Callable[[Asking, str], Program], asking: Asking, prompt: str) -> subprocess.Popen[str]:
	"""The program in a folder of its own, with nothing of this machine's configuration."""
	work, home = asking.folder / "work", asking.folder / "home"
	work.mkdir(exist_ok=True)
	home.mkdir(exist_ok=True)
	(work / "lighthouse.txt").write_text(SECRET + "\n")
	made = program(asking, prompt)
	env = {
		"PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
		"HOME": str(home),
		"TERM": "dumb",
	}
	return subprocess.Popen(
		made.command,
		cwd=work,
		env={**env, **made.env},
		stdin=subprocess.DEVNULL,
		stdout=subprocess.PIPE,
		stderr=subprocess.STDOUT,
		text=True,
	)


def output(program: Callable[[Asking, str], Program], asking: Asking, prompt: str) -> str:
	text, _ = start(program, asking, prompt).communicate(timeout=120)
	return text


def shows(program: Callable[[Asking, str], Program], asking: Asking, prompt: str, words: str) -> bool:
	"""Whether a program shows these words. It is ended then: aider asks again for a minute, whatever the error is."""
	running, text = start(program, asking, prompt), ""
	assert running.stdout
	try:
		for line in running.stdout:
			text = f"{text} {' '.join(line.split())}"
			if words in text:
				return True
		return False
	finally:
		running.kill()
		running.communicate()


@pytest.fixture
def asking(site: Site, process: StandaloneSite | None, tmp_path: Path) -> Asking:
	return Asking(tmp_path, base(site), key(process, site.first))


@each_program
def test_it_gets_an_answer(asking: Asking, program: Callable[[Asking, str], Program]) -> None:
	marker = unique("marker")
	assert marker in output(
		program, asking, script({"reasoning": "Hm."}, {"text": f"So {marker[:5]}"}, {"text": marker[5:]})
	)


@pytest.mark.parametrize("name", SHELLS)
@pytest.mark.parametrize("model", ["scripted", "claude-sonnet-4-5"])
def test_it_reads_a_file_with_a_tool_of_its_own(
	asking: Asking, provider: ScriptedProvider, name: str, model: str
) -> None:
	tool, arguments = SHELLS[name]
	marker = unique("marker")
	call = {"call": 0, "id": unique("call"), "name": tool, "arguments": json.dumps(arguments)}
	prompt = script({"turn": [{"reasoning": "Let me look."}, call]}, {"turn": [{"text": f"Green. {marker}"}]})
	program = next(candidate for candidate in PROGRAMS if candidate.__name__ == name)
	text = output(program, Asking(asking.folder, asking.base, asking.key, model), prompt)
	assert f"Green. {marker}" in text
	assert any(SECRET in candidate.text for candidate in provider.requests if marker in candidate.text)


@pytest.mark.parametrize(
	("model", "tool", "text"),
	[
		# A tool whose input is text, among the tools.
		("gpt-5.5", "apply_patch", f"*** Begin Patch\n*** Add File: new.txt\n+{SECRET}\n*** End Patch\n"),
		# Tools in namespaces, in the input.
		(
			"gpt-6-sol",
			"exec",
			'const read = await tools.exec_command({cmd: "cat lighthouse.txt"}); text(read.output)',
		),
	],
)
def test_codex_works_as_with_the_models_that_it_knows(
	asking: Asking, provider: ScriptedProvider, model: str, tool: str, text: str
) -> None:
	marker = unique("marker")
	call = {"call": 0, "id": unique("call"), "name": tool, "arguments": json.dumps({"input": text})}
	prompt = script({"turn": [call]}, {"turn": [{"text": f"Done. {marker}"}]})
	assert f"Done. {marker}" in output(codex, Asking(asking.folder, asking.base, asking.key, model), prompt)
	result = next(
		message["content"]
		for candidate in provider.requests
		if marker in candidate.text
		for message in candidate.body["messages"]
		if message["role"] == "tool"
	)
	assert (SECRET if tool == "exec" else "A new.txt") in result


@each_program
def test_its_end_closes_the_providers_connection(
	asking: Asking, provider: ScriptedProvider, program: Callable[[Asking, str], Program]
) -> None:
	marker = unique("marker")
	running = start(program, asking, script({"text": "So"}, {"hang": True}, {"note": marker}))
	at_provider = provider.wait_for(marker, 60)
	running.send_signal(signal.SIGTERM)
	running.communicate(timeout=30)
	assert at_provider.hung_up.wait(20)


@each_program
def test_it_shows_what_is_wrong_with_the_model(
	asking: Asking, program: Callable[[Asking, str], Program]
) -> None:
	text = output(program, Asking(asking.folder, asking.base, asking.key, "nobody-has-this"), "hello")
	# Claude Code has a sentence of its own for a 404.
	assert "model accepts one of" in text or "issue with the selected model" in text


@each_program
def test_it_shows_that_the_budget_is_used_up(
	site: Site, process: StandaloneSite | None, asking: Asking, program: Callable[[Asking, str], Program]
) -> None:
	usage = {"prompt": BUDGET_USD * 1_000_000 // DEAR, "completion": 0, "reasoning": 0}
	spends = script({"text": "Yes."}, {"finish": "stop", "usage": usage})
	body = {"model": "scripted-2", "messages": [{"role": "user", "content": spends}]}
	ask(site, "/chat/completions", body, account=site.spender)
	poor = Asking(asking.folder, asking.base, key(process, site.spender))
	assert shows(program, poor, "hello", "budget of 1,000 USD a day is used up")
