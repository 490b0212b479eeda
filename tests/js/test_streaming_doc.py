"""The example of docs/streaming.md, as it stands there, run against a site."""

import re
import shutil
import subprocess
from pathlib import Path

from tests.js.test_javascript import environment, pytestmark
from tests.support import script
from tests.support.provider import ScriptedProvider
from tests.support.site import Site

__all__ = ["pytestmark"]

ROOT = Path(__file__).parent.parent.parent
(EXAMPLE,) = re.findall(
	r"^```js\n(.*?)^```$", (ROOT / "docs" / "streaming.md").read_text(), re.MULTILINE | re.DOTALL
)


def run(
	site: Site, provider: ScriptedProvider, folder: Path, prompt: str
) -> subprocess.CompletedProcess[str]:
	# As an author does: the one file beside it, and the package from npm.
	shutil.copy(ROOT / "ai_assistant" / "public" / "js" / "realtime_manager.js", folder)
	(folder / "package.json").write_text('{"type": "module"}')
	(folder / "node_modules").symlink_to(ROOT / "node_modules")
	(folder / "example.js").write_text(EXAMPLE)
	return subprocess.run(
		["node", "example.js", prompt],
		cwd=folder,
		env=environment(site, provider),
		capture_output=True,
		text=True,
	)


def test_the_example_is_short() -> None:
	assert len(EXAMPLE.splitlines()) < 40


def test_the_example_thinks_and_answers(site: Site, provider: ScriptedProvider, tmp_path: Path) -> None:
	done = run(site, provider, tmp_path, script({"reasoning": "Hm."}, {"sleep": 1.2}, {"text": "It is so."}))
	assert (done.returncode, done.stdout) == (0, "It is so."), done.stderr
	assert "💡 Thinking 0s" in done.stderr and "💡 Thinking 1s" in done.stderr
	assert "Hm." in done.stderr
	assert re.search(r"\ncompleted: 18 tokens, \d+ ms\n$", done.stderr)


def test_the_example_says_what_went_wrong(site: Site, provider: ScriptedProvider, tmp_path: Path) -> None:
	steps = script({"text": "half"}, {"error": "x"})
	done = run(site, provider, tmp_path, steps)
	assert (done.returncode, done.stdout) == (1, "half")
	assert re.search(r"\nscripted [^\n]*\.\n$", done.stderr), done.stderr
