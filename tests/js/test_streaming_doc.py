"""The examples of docs/streaming.md, as they stand there, run against a site."""

import re
import shutil
import subprocess
from pathlib import Path

from tests.support import script, unique
from tests.support.provider import ScriptedProvider
from tests.support.site import Site

from .test_javascript import environment, pytestmark

__all__ = ["pytestmark"]

ROOT = Path(__file__).parent.parent.parent
EXAMPLE, AGENT = re.findall(
	r"^```js\n(.*?)^```$", (ROOT / "docs" / "streaming.md").read_text(), re.MULTILINE | re.DOTALL
)


def run(
	site: Site, provider: ScriptedProvider, folder: Path, prompt: str, example: str = EXAMPLE
) -> subprocess.CompletedProcess[str]:
	# As an author does: the one file beside it, and the package from npm.
	shutil.copy(ROOT / "ai_assistant" / "public" / "js" / "realtime_manager.js", folder)
	(folder / "package.json").write_text('{"type": "module"}')
	(folder / "node_modules").symlink_to(ROOT / "node_modules")
	(folder / "example.js").write_text(example)
	return subprocess.run(
		["node", "example.js", prompt],
		cwd=folder,
		env=environment(site, provider),
		capture_output=True,
		text=True,
	)


def test_the_examples_are_short() -> None:
	assert len(EXAMPLE.splitlines()) < 40 and len(AGENT.splitlines()) < 40


def test_the_agent_runs_what_is_called_and_says_the_answer(
	site: Site, provider: ScriptedProvider, tmp_path: Path
) -> None:
	marker = unique("marker")
	call = {"call": 0, "id": "call_1", "name": "current_time", "arguments": '{"zone": "UTC"}'}
	turns = [
		{"turn": [{"reasoning": "Hm."}, call]},
		{"turn": [{**call, "id": "call_2", "arguments": '{"zone": "Nowhere"}'}]},
		{"turn": [{"text": f"Noon. {marker}"}]},
	]
	done = run(site, provider, tmp_path, script(*turns), AGENT)
	assert (done.returncode, done.stdout) == (0, f"Noon. {marker}\n"), done.stderr
	assert done.stderr == '🔧 current_time {"zone": "UTC"}\n🔧 current_time {"zone": "Nowhere"}\n'
	answers = [m["content"] for m in provider.requests[-1].body["messages"] if m["role"] == "tool"]
	assert re.fullmatch(r"\d\d:\d\d:\d\d", answers[0]) and answers[1].startswith("error: Invalid time zone")


def test_the_example_thinks_and_answers(site: Site, provider: ScriptedProvider, tmp_path: Path) -> None:
	done = run(site, provider, tmp_path, script({"reasoning": "Hm."}, {"sleep": 2.2}, {"text": "It is so."}))
	assert (done.returncode, done.stdout) == (0, "It is so."), done.stderr
	# A machine under load may skip a second.
	assert "💡 Thinking 0s" in done.stderr and re.search("💡 Thinking [12]s", done.stderr), done.stderr
	assert "Hm." in done.stderr
	assert re.search(r"\ncompleted: 18 tokens, \d+ ms\n$", done.stderr)


def test_the_example_says_what_went_wrong(site: Site, provider: ScriptedProvider, tmp_path: Path) -> None:
	steps = script({"text": "half"}, {"error": "x"})
	done = run(site, provider, tmp_path, steps)
	assert (done.returncode, done.stdout) == (1, "half")
	assert re.search(r"\nscripted [^\n]*\.\n$", done.stderr), done.stderr
