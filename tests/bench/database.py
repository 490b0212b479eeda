"""What a chat and a scrape cost in the database of a bench: `python -m tests.bench.database BENCH SITE`.

It measures the checks of limits and budgets, the reads of `watch` and `cancel`, and a scrape of the metrics: on the site
as it is, and with 100,000 ended requests of 300 users, a quarter of them in one task. All rows are deleted and all
figures restored afterwards.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

REPEATS = 200
SCRAPES = 50
ROWS, USERS = 100_000, 300
# How many requests end between two scrapes, and how often that is measured.
NEW = {20: 50, 1000: 5}
ADDRESS = "@database.bench"
USER, TASK = f"user-1{ADDRESS}", "the task"


def _times(run: Callable[[], Any], repeats: int) -> list[float]:
	"""Milliseconds of each run, the shortest first. Each ends with a commit, as a chat's does."""
	import frappe

	took = []
	for _ in range(repeats):
		began = time.perf_counter()
		run()
		frappe.db.commit()
		took.append((time.perf_counter() - began) * 1000)
	return sorted(took)


def _insert(first: int, count: int, counted: int) -> None:
	"""Inserts ended requests, `counted` 0 for those that the next scrape adds to its sums."""
	import frappe

	now = time.time()
	same = {
		"creation": frappe.utils.now(),
		"status": "completed",
		"counted": counted,
		"provider": "bench",
		"model": "m",
		"usage": json.dumps({"prompt_tokens": 100, "completion_tokens": 100, "total_tokens": 200}),
		"timing": json.dumps({"first_reasoning_ms": None, "first_text_ms": 500, "duration_ms": 4000}),
		"realtime": json.dumps({"events": 10, "failed": 0}),
	}
	rows = [
		{
			**same,
			"name": f"database-{n}",
			"user": USER if n % 4 == 0 else f"user-{n % USERS}{ADDRESS}",
			"request_id": f"request-{n}",
			"task_id": TASK if n % 4 == 0 else f"task-{n}",
			# One every 20 s, the last of them an hour ago.
			"created": now - 3600 - n * 20,
			"ended": now - 3600 - n * 20 + 4,
		}
		for n in range(first, first + count)
	]
	frappe.db.bulk_insert("AI Request", list(rows[0]), [tuple(row.values()) for row in rows])
	frappe.db.commit()


def _insert_usage() -> None:
	"""Inserts what each user and the site used on each day of this month."""
	import frappe
	from frappe.utils import add_days, get_first_day, getdate

	first = get_first_day(getdate())
	rows = [
		(f"database-{user}-{day}", frappe.utils.now(), user, add_days(first, day), 10, 2000, 0.1)
		for user in [f"user-{n}{ADDRESS}" for n in range(USERS)]
		for day in range((getdate() - first).days + 1)
	]
	fields = ["name", "creation", "user", "day", "requests", "tokens", "cost_usd"]
	frappe.db.bulk_insert("AI Usage", fields, rows)
	frappe.db.commit()


@contextmanager
def _restored() -> Iterator[None]:
	"""Deletes the rows that were made meanwhile, and gives the sums of the metrics their values back."""
	import frappe

	before = dict(frappe.get_all("AI Sum", fields=["name", "value"], as_list=True))
	try:
		yield
	finally:
		frappe.db.rollback()
		for doctype in ("AI Request", "AI Usage"):
			frappe.db.delete(doctype, {"user": ("like", f"%{ADDRESS}")})
		for name, value in frappe.get_all("AI Sum", fields=["name", "value"], as_list=True):
			if name not in before:
				frappe.db.delete("AI Sum", {"name": name})
			elif value != before[name]:
				frappe.db.set_value("AI Sum", name, "value", before[name], update_modified=False)
		frappe.db.commit()


def _measure() -> dict[str, list[float]]:
	from ai_assistant import store
	from ai_assistant.chat import admission, budgets
	from ai_assistant.config.settings import Budgets, Settings
	from ai_assistant.operations import alerts, metrics

	much = 10**9
	settings = Settings()
	of_users = Budgets(user_tokens_per_day=much, user_cost_per_month=much)
	of_both = Budgets(
		user_tokens_per_day=much, user_cost_per_month=much, site_tokens_per_day=much, site_cost_per_month=much
	)
	current = store.current()
	now = current.now()
	return {
		"check of the limits": _times(lambda: admission.check(USER, "running", settings), REPEATS),
		"check of the budgets of users": _times(lambda: budgets.check(USER, of_users), REPEATS),
		"check of the budgets of users and the site": _times(lambda: budgets.check(USER, of_both), REPEATS),
		"`watch` of a user": _times(lambda: current.live(USER, now, [], 100), REPEATS),
		"`watch` of all users": _times(lambda: current.live(None, now, [], 100), REPEATS),
		"`cancel` of a task": _times(lambda: current.of_task(USER, TASK, unended=True), REPEATS),
		"scrape": _times(metrics.text, SCRAPES),
		"check of the alerts": _times(alerts.check, SCRAPES // 10),
	}


def _inside(site: str) -> None:
	import frappe

	frappe.init(site)
	frappe.connect()
	from ai_assistant.operations import metrics

	try:
		metrics.text()
		figures = [_measure()]
		with _restored():
			_insert(0, ROWS, 1)
			_insert_usage()
			frappe.db.sql("analyze table `tabAI Request`, `tabAI Usage`")
			figures.append(_measure())
			first = ROWS
			for new, repeats in NEW.items():
				scrapes = []
				for _ in range(repeats):
					_insert(first, new, 0)
					first += new
					scrapes += _times(metrics.text, 1)
				figures[1][f"scrape after {new:,} new requests"] = sorted(scrapes)
	finally:
		frappe.destroy()
	print(json.dumps(figures))


def main() -> None:
	from tests.support.bench import Bench

	bench = Bench(Path(sys.argv[1]), sys.argv[2])
	done = bench.run(__file__, "--inside", bench.site, stdout=subprocess.PIPE, check=True)
	before, after = json.loads(done.stdout.splitlines()[-1])

	def told(took: list[float] | None) -> str:
		return f"{took[len(took) // 2]:.2f} / {took[-1]:.1f}" if took else ""

	print(f"| p50 / largest, ms | the site as it is | {ROWS:,} ended requests, {USERS} users |")
	print("| --- | --- | --- |")
	for name, took in after.items():
		print(f"| {name} | {told(before.get(name))} | {told(took)} |")


if __name__ == "__main__":
	if sys.argv[1] == "--inside":
		_inside(sys.argv[2])
	else:
		main()
