"""What the journal costs on a bench: `python -m tests.bench.journal BENCH SITE`.

Threads of one process store events of 200 characters, each on a connection of its own, as chats do. Each event has a
transaction, or ten events share one: the difference is the most that grouping the events of several chats could save.
The rows are deleted afterwards.
"""

import json
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path
from typing import Any

SECONDS = 3.0
THREADS = (1, 8, 32, 64)
SIZES = (1, 10)
TEXT = "word " * 40


def _measure(site: str, threads: int, size: int) -> dict[str, float]:
	"""The events a second of `threads` threads with `size` events in a transaction, and the process's CPU for one in µs."""
	import frappe

	from ai_assistant import store

	counts: list[int] = []
	ready = threading.Barrier(threads + 1)

	def write(name: str) -> None:
		frappe.init(site)
		frappe.connect()
		requests, seq = store.current(), 0
		try:
			ready.wait()
			until = time.monotonic() + SECONDS
			while time.monotonic() < until:
				for _ in range(size):
					seq += 1
					event = {"seq": seq, "type": "text", "text": TEXT, "elapsed_ms": 0}
					requests.append(name, event)
				frappe.db.commit()
			counts.append(seq)
			frappe.db.delete("AI Request Event", {"request": name})
			frappe.db.commit()
		finally:
			frappe.destroy()

	writers = [threading.Thread(target=write, args=(f"journal {uuid.uuid4()}",)) for _ in range(threads)]
	for writer in writers:
		writer.start()
	ready.wait()
	cpu = time.process_time()
	time.sleep(SECONDS)
	cpu = time.process_time() - cpu
	for writer in writers:
		writer.join()
	return {"a_second": sum(counts) / SECONDS, "cpu_us": cpu / sum(counts) * 1e6}


def _inside(site: str) -> None:
	figures = [
		{"threads": threads, "size": size, **_measure(site, threads, size)}
		for threads in THREADS
		for size in SIZES
	]
	print(json.dumps(figures))


def main() -> None:
	from tests.support.bench import Bench

	bench = Bench(Path(sys.argv[1]), sys.argv[2])
	done = bench.run(__file__, "--inside", bench.site, stdout=subprocess.PIPE, check=True)
	figures: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
	print("| threads | events in a transaction | events a second | CPU of the process for one, µs |")
	print("| --- | --- | --- | --- |")
	for row in figures:
		print(f"| {row['threads']} | {row['size']} | {row['a_second']:,.0f} | {row['cpu_us']:.0f} |")


if __name__ == "__main__":
	if sys.argv[1] == "--inside":
		_inside(sys.argv[2])
	else:
		main()
