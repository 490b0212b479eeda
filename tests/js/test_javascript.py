"""RealtimeManager in Node, against the same sites as the contract suite; and what TypeScript finds in the scripts."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.provider import ScriptedProvider
from tests.support.site import Site

ROOT = Path(__file__).parent.parent.parent
pytestmark = pytest.mark.skipif(
	not (shutil.which("node") and (ROOT / "node_modules" / "socket.io-client").exists()),
	reason="left out: node and its packages are not here; with npm, `make page` gets them",
)


def environment(site: Site, provider: ScriptedProvider) -> dict[str, str]:
	"""What tests in JavaScript know of the site they are run against."""
	return {
		**os.environ,
		"URL": site.url,
		"SOCKETIO_URL": site.socketio_url,
		"SITE": site.name,
		"LOGIN": site.first.user,
		"PASSWORD": site.first.password,
		"TOKEN": str(site.first.token),
		# Only the standalone site has keys in its configuration.
		"AI_KEY": site.first.ai_key or "",
		"SECOND_LOGIN": site.second.user,
		"SECOND_PASSWORD": site.second.password,
		"THIRD_LOGIN": site.third.user,
		"THIRD_PASSWORD": site.third.password,
		"PROVIDER": f"http://127.0.0.1:{provider.port}",
	}


def run_tests(site: Site, provider: ScriptedProvider, *files: Path, seconds: int = 170) -> None:
	"""`node --test`; fails with what it says of the tests that failed."""
	# One that waits for what never comes is named, before pytest ends them all without a word.
	command = ["node", "--test", f"--test-timeout={seconds * 1000}", "--test-reporter=spec", *map(str, files)]
	done = subprocess.run(command, cwd=ROOT, env=environment(site, provider), capture_output=True, text=True)
	ran = re.search(r"^ℹ pass (\d+)$", done.stdout, re.MULTILINE)
	assert done.returncode == 0 and ran and int(ran[1]), done.stdout[-8000:] + done.stderr[-2000:]
	print(done.stdout)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("name", ["realtime_manager", "connection", "failures", "old_client", "connect"])
def test_in_node(site: Site, provider: ScriptedProvider, name: str) -> None:
	run_tests(site, provider, Path(__file__).parent / f"{name}.test.mjs")


def test_the_scripts_are_typed() -> None:
	done = subprocess.run(["npm", "run", "--silent", "check"], cwd=ROOT, capture_output=True, text=True)
	assert done.returncode == 0, done.stdout
