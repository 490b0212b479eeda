"""The first chunk beside an earlier version of this repository: `python -m tests.bench.earlier 4a1f3cf [chats]`.

Milliseconds of two machines, or of two hours of one machine, cannot be compared. So both versions run here at the same
time as standalone sites, with the packages of this checkout, and are asked in turns of ASKED chats in random order.
"""

import random
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from ai_assistant.client import Client
from tests.support.site import CHECKOUT, StandaloneSite
from tests.support.v1 import PATH

from . import asking
from .asking import Ask
from .compare import configured, question, run
from .servers import listening

ASKED = 10
WIRE = "the wire"


def main() -> None:
	commit, chats = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 200
	with ExitStack() as stack:
		_pid, base = stack.enter_context(listening("provider"))
		asks = {WIRE: run(asking.of_provider(base))}
		for name, checkout in (
			(commit, stack.enter_context(_checked_out(commit))),
			("this version", CHECKOUT),
		):
			client, key = stack.enter_context(_site(checkout, configured("openai", base)))
			asks[f"{name}, socket"] = run(asking.of_site(client))
			if checkout is CHECKOUT:
				headers = {"Authorization": f"Bearer {key}", "X-AI-Progress": "off"}
				asks[f"{name}, SSE"] = run(
					asking.of_api(client.url + PATH, "chat/completions", headers, {"model": "p/scripted"})
				)
		took_ms = _measured(asks, chats)
		run(asking.close())
	wire = statistics.median(took_ms[WIRE])
	before = statistics.median(took_ms[f"{commit}, socket"]) - wire
	print(f"{chats} chats each; first chunk, p50: ms, ms added to the wire, and that against {commit}")
	for name, values in took_ms.items():
		added = statistics.median(values) - wire
		print(f"{name:24} {statistics.median(values):6.2f} {added:6.2f} {added / before:6.2f}")


@contextmanager
def _checked_out(commit: str) -> Iterator[Path]:
	"""Gives a folder with the files of a commit."""
	with tempfile.TemporaryDirectory() as folder:
		archive = subprocess.run(
			("git", "archive", commit, "ai_assistant"), cwd=CHECKOUT, check=True, stdout=subprocess.PIPE
		)
		subprocess.run(("tar", "-x", "-C", folder), input=archive.stdout, check=True)
		yield Path(folder)


@contextmanager
def _site(checkout: Path, config: dict[str, Any]) -> Iterator[tuple[Client, str]]:
	"""Starts a standalone site of a checkout. Gives a client of it, and its user's AI Key."""
	with tempfile.TemporaryDirectory() as folder:
		process = StandaloneSite(Path(folder), config)
		if checkout is not CHECKOUT:
			process.checkout = checkout
			# The field is newer than some commits.
			for user in process.users.values():
				del user["ai_key"]
			process.configure(config)
		with process as site, site.client(site.first) as client:
			yield client, str(site.first.ai_key)


def _measured(asks: dict[str, Ask], chats: int) -> dict[str, list[float]]:
	"""Asks each contender `chats` questions. Returns the milliseconds from each question to its first chunk."""
	took_ms: dict[str, list[float]] = {name: [] for name in asks}
	for _ in range(chats // ASKED):
		for name in random.sample(list(asks), len(asks)):
			# The first chat after those of others finds cold caches.
			_first, *others = [run(asks[name](question(20))) for _ in range(ASKED + 1)]
			took_ms[name] += [stamps.took_ms for stamps in others]
	return took_ms


if __name__ == "__main__":
	main()
