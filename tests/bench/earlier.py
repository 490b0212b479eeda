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
# Version 0.2.0, and the ms that it added to the first chunk on the machine where the target of SSE_MS was set.
COMMIT, EARLIER_MS, SSE_MS = "4a1f3cf", 1.6, 2
EXPLANATION = f"""The target of {SSE_MS} ms for the first chunk over SSE was set on a machine on which version 0.2.0 added
{EARLIER_MS} ms over the socket. Milliseconds of two machines cannot be compared. So this run asks version 0.2.0 as well, in
turns with this version (`tests/bench/earlier.py`). It divides the time that this version adds over SSE by the time that
0.2.0 adds over the socket. The target of this ratio is {SSE_MS} / {EARLIER_MS} = {SSE_MS / EARLIER_MS:.2f}."""
EARLIER, SOCKET, SSE = "earlier, socket", "this version, socket", "this version, SSE"


def main() -> None:
	commit, chats = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 200
	added = measure(commit, chats)
	print(f"{chats} chats each; added to the first chunk, p50: ms, and that against {commit}")
	for name, ms in added.items():
		print(f"{name:24} {ms:6.2f} {ms / added[EARLIER]:6.2f}")


def is_here(commit: str) -> bool:
	"""Whether the repository has the commit. A shallow clone may not."""
	found = subprocess.run(
		("git", "cat-file", "-e", f"{commit}^{{commit}}"), cwd=CHECKOUT, capture_output=True
	)
	return found.returncode == 0


def measure(commit: str, chats: int) -> dict[str, float]:
	"""Measures both versions.

	Args:
		commit: the earlier version.
		chats: how many questions each contender answers.

	Returns:
		The milliseconds added to the first chunk beyond the wire, p50: EARLIER, SOCKET and SSE.
	"""
	with ExitStack() as stack:
		_pid, base = stack.enter_context(listening("provider"))
		asks = {WIRE: run(asking.of_provider(base))}
		checkout = stack.enter_context(_checked_out(commit))
		earlier, _key = stack.enter_context(_site(checkout, configured("openai", base)))
		asks[EARLIER] = run(asking.of_site(earlier))
		client, key = stack.enter_context(_site(CHECKOUT, configured("openai", base)))
		asks[SOCKET] = run(asking.of_site(client))
		headers = {"Authorization": f"Bearer {key}", "X-AI-Progress": "off"}
		asks[SSE] = run(
			asking.of_api(client.url + PATH, "chat/completions", headers, {"model": "p/scripted"})
		)
		took_ms = _measured(asks, chats)
		run(asking.close())
	wire = statistics.median(took_ms.pop(WIRE))
	return {name: statistics.median(values) - wire for name, values in took_ms.items()}


def goal(added: dict[str, float]) -> list[str]:
	"""Returns the row of the table of targets for the result of `measure`."""
	ratio, most = added[SSE] / added[EARLIER], SSE_MS / EARLIER_MS
	name = "added to the first chunk over SSE, p50, against version 0.2.0 over the socket"
	return [name, f"{ratio:.2f}", f"≤ {most:.2f}", "yes" if ratio <= most else "no"]


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
