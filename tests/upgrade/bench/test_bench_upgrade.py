"""A site goes from the first version to this one and back, with data in it: docs/deployment.md, Upgrade and Rollback.

It has a database and Redis of its own (tests/faults/bench/stack.py); the version is the one that Python finds first.
"""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ai_assistant import __version__
from tests.faults.bench.stack import Stack
from tests.support.bench import Bench
from tests.support.provider import ScriptedProvider
from tests.upgrade.versions import CHECKOUT, first_version

INSIDE = Path(__file__).with_name("inside.py")


class Site:
	"""A site with no trace of the app yet, and the version that it runs."""

	def __init__(self, stack: Stack) -> None:
		self.stack, self.version = stack, CHECKOUT
		self.command("uninstall-app", "ai_assistant", "--yes", "--no-backup")

	def command(self, *arguments: str) -> None:
		self._run(*self.stack.bench.helper, *arguments)

	def inside(self, step: str, **fields: Any) -> Any:
		done = self._run(str(INSIDE), self.stack.bench.site, step, json.dumps(fields))
		return json.loads(done.stdout.splitlines()[-1])

	def _run(self, *command: str) -> subprocess.CompletedProcess[str]:
		environment = {**self.stack.environment, "PYTHONPATH": str(self.version)}
		done = self.stack.bench.run(*command, env=environment, capture_output=True)
		assert done.returncode == 0, f"{command}: {done.stdout[-2000:]} {done.stderr[-4000:]}"
		return done


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
	stack = Stack(Bench(Path(os.environ["AI_ASSISTANT_BENCH"]), os.environ["AI_ASSISTANT_SITE"]), tmp_path)
	try:
		for name in ("queue", "cache"):
			stack.start(name)
		stack.make_database()
		yield Site(stack)
	finally:
		stack.stop_all()


# Installing, migrating twice and uninstalling take a minute or two.
@pytest.mark.timeout(600)
def test_data_survives_the_way_there_and_back_and_chat_works_at_each_stop(
	site: Site, provider: ScriptedProvider, tmp_path: Path
) -> None:
	first = first_version(tmp_path / "first")
	answers: list[dict[str, Any]] = []
	events: list[Any] = []

	def stop(version: str) -> None:
		"""What was there is there, and one more chat is."""
		assert site.inside("version") == version
		before = site.inside("state_of", request_ids=[answer["request_id"] for answer in answers])
		assert [
			{key: now[key] for key in then} for now, then in zip(before["answers"], answers, strict=True)
		] == answers
		assert before["events"] == events
		assert before["listed"] == sorted(answer["request_id"] for answer in answers)
		assert (before["key"], before["providers"], before["max_tokens"]) == ("sk-upgrade", ["upgrade"], 777)
		answers.append(site.inside("chat"))
		assert answers[-1]["response"] == "Hello there."
		events.append(site.inside("state_of", request_ids=[answers[-1]["request_id"]])["events"][0])
		assert len(events[-1]) == answers[-1]["realtime"]["events"] > 0

	site.version = first
	site.command("clear-cache")
	site.command("install-app", "ai_assistant")
	site.inside("configure", api_base=provider.base("openai"))
	stop("0.1.0")
	site.version = CHECKOUT
	site.command("migrate")
	stop(__version__)
	assert site.inside("counted") == 2
	# Back: no migrate, but the JSON that the first version reads.
	site.command("execute", "ai_assistant.patches.v0_3.store_figures_once.undo")
	site.version = first
	site.command("clear-cache")
	stop("0.1.0")
	# And forward again, with what the first version has ended meanwhile.
	site.version = CHECKOUT
	site.command("migrate")
	stop(__version__)
	assert site.inside("counted") == 4
