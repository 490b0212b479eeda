"""How the memory of this site and of other gateways grows: `python -m tests.bench.growth [SECONDS]`, an hour by default.

Each gateway answers one question a second, of 20 chunks at 50 a second, in the three APIs by turns. The first minute
warms it up. The figures are the resident memory of its process, in MB.
"""

import asyncio
import sys
import time
from contextlib import ExitStack

from rich.console import Console
from rich.table import Table

from tests.support.processes import resident_mb

from . import asking, gateways
from .asking import Ask
from .compare import EVERY, question, run
from .servers import listening

HOUR_S, WARM_S, POINTS = 3600, 60, 6
CHUNKS, PAUSE_S = 20, 1


class Asker:
	"""Asks one gateway again and again, and counts."""

	def __init__(self, asks: list[Ask]) -> None:
		self.asks = asks
		self.answers = self.failures = 0

	async def until(self, end: float) -> None:
		while (began := time.monotonic()) < end:
			ask = self.asks[(self.answers + self.failures) % len(self.asks)]
			try:
				await ask(question(CHUNKS, EVERY))
				self.answers += 1
			except Exception:  # A peer may fail in any way; the table shows how often.
				self.failures += 1
			await asyncio.sleep(max(0.0, PAUSE_S - (time.monotonic() - began)))


def measure(console: Console, seconds: float) -> Table:
	"""Asks all gateways that are installed, side by side.

	Args:
		seconds: how long to ask after the first minute.
	"""
	with ExitStack() as stack:
		_pid, base = stack.enter_context(listening("provider"))
		pids: dict[str, list[int]] = {}
		askers: dict[str, Asker] = {}
		for name, begin in gateways.installed().items():
			console.print(f"{name}: start", style="dim")
			pids[name], asks = stack.enter_context(begin(base))
			askers[name] = Asker(list(asks.values()))
		memory: dict[str, list[float]] = {name: [] for name in pids}

		async def ask_until(end: float) -> None:
			await asyncio.gather(*(asker.until(end) for asker in askers.values()))

		began = time.monotonic()
		for point in range(POINTS + 1):
			run(ask_until(began + WARM_S + seconds * point / POINTS))
			for name, of_one in pids.items():
				memory[name].append(resident_mb(of_one))
			shown = ", ".join(f"{name} {points[-1]:.1f}" for name, points in memory.items())
			console.print(f"after {time.monotonic() - began:.0f} s, MB: {shown}", style="dim")
		run(asking.close())
	passed = [f"{seconds * point / POINTS / 60:.0f} min" for point in range(POINTS + 1)]
	table = Table("gateway", *passed, "answers", "failures")
	for name, points in memory.items():
		asker = askers[name]
		table.add_row(
			name, *(f"{point:.1f}" for point in points), f"{asker.answers:,}", f"{asker.failures:,}"
		)
	return table


def main() -> None:
	console = Console(highlight=False, width=150)
	console.print(measure(console, float(sys.argv[1]) if len(sys.argv) > 1 else HOUR_S))


if __name__ == "__main__":
	main()
