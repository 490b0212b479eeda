"""`make soak`: an agent of 400 rounds before two providers, of which one fails all the time. Takes ten minutes.

In the middle a worker is killed and Redis is restarted. Writes its table to docs/reliability.md.
"""

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from ai_assistant.standalone import stand_in

stand_in.install()

from tests.support.site import PROVIDER_PORT

from . import report
from .agent import Agent
from .providers import Providers
from .sites import OnBench, Standalone, started

WHOLE = 400
ANSWER_S = 0.8
"""How long a provider takes for an answer."""
IN_BACKGROUND = 10
"""One of so many rounds is answered by a worker."""
WARM, WARM_AGAIN = 0.5, 0.25
"""The shares of the rounds after which memory is compared, since the start and since a process was killed.

Each thread of the web server keeps the memory of its largest request, so memory grows until all threads have had one.
"""
LIMITS = {
	"max_chars": 2_000_000,
	"requests_per_minute": 100_000,
	"continuations_per_minute": 100_000,
	"concurrent_per_user": 100,
}
# A provider that hangs costs the agent this long.
TIMEOUTS = {"first_token_s": 2, "thinking_idle_s": 3, "idle_s": 3, "total_s": 60}


def main() -> int:
	"""Runs the soak. Returns 0 if every target is reached."""
	parser = argparse.ArgumentParser(prog="make soak")
	parser.add_argument("bench", type=Path, nargs="?")
	parser.add_argument("site", nargs="?")
	parser.add_argument("--rounds", type=int, default=WHOLE, help="the table is written if there are so many")
	parser.add_argument("--seconds", type=float, default=600, help="how long all rounds take at least")
	parser.add_argument("--seed", type=int, default=20, help="of the faults")
	arguments = parser.parse_args()
	providers = Providers(PROVIDER_PORT if arguments.bench else 0, ANSWER_S, arguments.seed)
	with providers.server:
		config: dict[str, Any] = {"providers": providers.config(), "limits": LIMITS, "timeouts": TIMEOUTS}
		with started(arguments.bench, arguments.site, config) as site, site.client() as client:
			client.connect()
			agent = Agent(client, providers)
			memory = run(site, agent, providers, config, arguments.rounds, arguments.seconds)
			agent.measure_body()
	rows = report.rows(agent, providers, site.faults, memory)
	print("\n".join(["", *report.table(rows)]))
	for sentence in agent.wrong[:20]:
		print(sentence)
	missed = [row.name for row in rows if not row.is_met]
	if missed:
		print(f"Not reached: {', '.join(missed)}.")
	if arguments.rounds >= WHOLE:
		report.write("bench" if arguments.bench else "standalone", site.version, rows)
	return int(bool(missed))


def run(
	site: OnBench | Standalone,
	agent: Agent,
	providers: Providers,
	config: dict[str, Any],
	rounds: int,
	seconds: float,
) -> dict[str, list[float]]:
	"""Lets the agent make its rounds.

	Returns: the memory of each process in MB, once a round after WARM or WARM_AGAIN of the rounds.
	"""
	began = time.monotonic()
	kill_at, redis_at = rounds // 2, rounds * 5 // 8
	warm = dict.fromkeys(site.memory_mb(), rounds * WARM)
	warm[site.killed] = kill_at + rounds * WARM_AGAIN
	memory: dict[str, list[float]] = {name: [] for name in warm}
	while agent.rounds < rounds:
		n = agent.rounds
		time.sleep(max(0.0, began + n * seconds / rounds - time.monotonic()))
		fault = {kill_at: site.kill_worker, redis_at: site.restart_redis}.get(n)
		in_background = n == kill_at or n % IN_BACKGROUND == IN_BACKGROUND - 1
		cpu_s = site.cpu_s()
		agent.round(in_background, providers.midway(fault) if fault else None)
		if not in_background and not fault:
			agent.cpu_ms.append((site.cpu_s() - cpu_s) * 1000)
		if providers.edit_refused_keys():
			config["providers"] = providers.config()
			site.configure(config)
		for name, megabytes in site.memory_mb().items():
			if n >= warm[name]:
				memory[name].append(megabytes)
		_show(agent, providers, began, rounds)
	return memory


def _show(agent: Agent, providers: Providers, began: float, rounds: int) -> None:
	"""Prints how far the run is: on a terminal in one line, elsewhere a line for every 20 rounds."""
	minutes, seconds = divmod(round(time.monotonic() - began), 60)
	line = (
		f"{minutes}:{seconds:02}  round {agent.rounds} of {rounds}, {agent.requests} requests,"
		f" {providers.faults.total()} faults, {agent.cached_percent:.0f} % cached,"
		f" overhead p50 {agent.overhead_p50_ms:.1f} ms, {len(agent.wrong)} violations"
	)
	if sys.stdout.isatty():
		print(f"\r\033[K{line}", end="", flush=True)
	elif agent.rounds % 20 == 0:
		print(line, flush=True)


if __name__ == "__main__":
	sys.exit(main())
