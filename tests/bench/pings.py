"""How long the rest of a site waits while chats run in its web server: `python -m tests.bench.pings BENCH SITE`.

gunicorn serves the site with one set of options after another. Chats of 13 s at 50 chunks a second run in it, and 20 pings
a second are measured for 10 s beside them.
"""

import sys
import time
from contextlib import ExitStack
from pathlib import Path

from tests.support.bench import Bench

from . import asking
from .compare import question, run, told
from .web_process import WEB, client_of, gunicorn_of, pings, prepared, served, together

SECONDS = 5
ROWS = (
	("-w 2 --threads 32", 0),
	("-w 2", 2),
	("-w 2 --threads 8", 10),
	("-w 2 --threads 8", 16),
	("-w 1 --threads 32", 16),
	("-w 2 --threads 32", 32),
	("-w 2 --threads 32 --preload", 32),
)


def main() -> None:
	bench = Bench(Path(sys.argv[1]), sys.argv[2])
	with prepared(bench) as token:
		print("| gunicorn | chats | ping p50 / p99 / largest, ms | the longest chat, s |")
		print("| --- | --- | --- | --- |")
		for options, chats in ROWS:
			with ExitStack() as stack:
				command = [*gunicorn_of(bench), *options.split(), "frappe.app:application"]
				stack.enter_context(served(bench, command, WEB))
				client = stack.enter_context(client_of(bench, token))
				ask = run(asking.of_site(client))
				run(ask(question(1)))
				# Longer than gunicorn keeps an idle connection (2 s): a chat must not begin on one that is closing.
				run(pings(bench.site, 3))
				began = time.monotonic()
				if chats:
					_stamps, took = run(together(ask, chats, bench.site))
				else:
					took = run(pings(bench.site, SECONDS))
				longest = f"{time.monotonic() - began:.1f}" if chats else ""
				print(f"| `{options}` | {chats} | {told(took)} | {longest} |", flush=True)
				run(asking.close())


if __name__ == "__main__":
	main()
