"""The tests of usage, figures and alerts that every store must pass."""

from datetime import date
from typing import Any

from .. import KEY, MEASURED_FIELDS, SITE, Booked, LeaseLost
from .base import ANN, BOB, SERIES, USAGE, Contract, row, sums_of


class FiguresContract(Contract):
	def test_the_usage_with_an_ai_key_is_booked_on_its_account_too(self) -> None:
		day = date(2031, 1, 2)
		with self.today_is(day):
			for number, key in enumerate(("k1", "k1", "k2", None)):
				name = self.store.open(row(request_id=f"request-{number}", ai_key=key, created=number + 1.0))
				self.store.finish(name, {"status": "completed", "usage": USAGE})
		self.assertEqual(self.store.booked(f"{KEY}k1", day), [Booked(day, 36, 0.5)])
		self.assertEqual(self.store.booked(f"{KEY}k2", day), [Booked(day, 18, 0.25)])
		self.assertEqual(self.store.booked(ANN, day), [Booked(day, 72, 1.0)])
		self.assertEqual([self.store.nth_newest_of_key("k1", 0.5, n) for n in (1, 2, 3)], [2.0, 1.0, None])
		self.assertIsNone(self.store.nth_newest_of_key("k1", 1.0, 2))
		self.assertIsNone(self.store.nth_newest_of_key("unknown", 0.0, 1))

	def test_what_a_request_has_used_is_booked_on_the_day_on_which_it_ends(self) -> None:
		first, second, third = date(2001, 11, 30), date(2001, 12, 1), date(2001, 12, 2)
		large = 2**31 - 1
		for n, (user, day, usage) in enumerate(
			[
				(ANN, first, USAGE),
				(ANN, second, USAGE),
				(ANN, second, {"total_tokens": large, "cost_usd": None}),
				(ANN, second, {"total_tokens": large, "cost_usd": 1e-9}),
				(BOB, second, USAGE),
				(ANN.upper(), third, USAGE),
				(ANN, third, None),
			]
		):
			name = self.store.open(row(user=user, request_id=f"request-{n}"))
			with self.today_is(day):
				self.store.finish(name, {"status": "completed", "usage": usage})
				with self.assertRaises(LeaseLost):
					self.store.finish(name, {"status": "failed", "usage": USAGE})
		self.assertEqual(
			self.store.booked(ANN, first)[:2],
			[Booked(first, 18, 0.25), Booked(second, 18 + 2 * large, 0.250000001)],
		)
		self.assertEqual([booked.day for booked in self.store.booked(ANN, second)], [second])
		self.assertEqual(self.store.booked(ANN, third), [])
		self.assertEqual(self.store.booked(ANN.upper(), first), [Booked(third, 18, 0.25)])
		self.assertEqual(self.store.booked("nobody", first), [])
		# MariaDB keeps nine places of a cost.
		site = [
			booked._replace(cost_usd=round(booked.cost_usd, 9))
			for booked in self.store.booked(SITE, second)
			if booked.day <= third
		]
		self.assertEqual(site, [Booked(second, 36 + 2 * large, 0.500000001), Booked(third, 18, 0.25)])
		self.rollback()
		self.assertEqual(self.store.booked(ANN, first), [])

	def test_of_many_who_end_a_request_one_books_it(self) -> None:
		name, day = self.store.open(row()), date(2001, 11, 29)
		self.commit()
		with self.today_is(day):
			end = {"status": "failed", "usage": USAGE}
			results = self.at_once(*[lambda: self.store.finish(name, end)] * 6)
		self.assertEqual(
			sorted(type(result).__name__ for result in results), ["LeaseLost"] * 5 + ["NoneType"]
		)
		self.rollback()
		for account in (ANN, SITE):
			booked = [booking for booking in self.store.booked(account, day) if booking.day == day]
			self.assertEqual(booked, [Booked(day, 18, 0.25)])

	def open_and_end(self, count: int) -> list[str]:
		"""Opens requests and ends them a second apart, later than all others of a bench."""
		names = [self.store.open(row(request_id=f"request-{n}")) for n in range(count)]
		for n, name in enumerate(names):
			self.store.finish(name, {"status": "completed", "ended": 4e9 + n, "first_event_ms": 5})
		return names

	def test_each_ended_request_is_counted_once_and_outlived_by_its_sum(self) -> None:
		names = self.open_and_end(3)
		running = self.store.open(row(request_id="running"))
		before = self.store.sums().get(SERIES, 0)
		self.assertEqual(self.store.count(sums_of, 10, [*names[:2], running]), 2)
		self.assertEqual(self.store.count(sums_of, 10, names), 1)
		self.assertEqual(self.store.count(sums_of, 10, names), 0)
		self.delete_requests()
		self.assertEqual(self.store.sums()[SERIES], before + 3 * 0.125)
		self.rollback()
		self.assertEqual(self.store.sums().get(SERIES, 0), before)

	def test_no_more_are_counted_than_asked_for_the_oldest_first(self) -> None:
		while self.store.count(lambda rows: {}, 1000):
			pass
		names = self.open_and_end(3)
		counted: list[str] = []

		def see(rows: list[Any]) -> dict[Any, float]:
			counted.extend(row["name"] for row in rows)
			return {}

		self.assertEqual(self.store.count(see, 2), 2)
		self.assertEqual(sorted(counted), sorted(names[:2]))
		self.rollback()

	def test_of_many_who_count_at_once_each_request_is_counted_by_one(self) -> None:
		names = self.open_and_end(40)
		self.commit()
		self.addCleanup(self.delete_sums)
		before = self.store.sums().get(SERIES, 0)

		def count() -> None:
			for start in range(0, 40, 10):
				self.store.count(sums_of, 10, names[start : start + 10])
				self.commit()

		self.assertEqual(self.at_once(*[count] * 4), [None] * 4)
		self.rollback()
		self.assertEqual(self.store.sums()[SERIES], before + 40 * 0.125)

	def test_what_ended_lately_comes_newest_first_without_what_was_said(self) -> None:
		names = self.open_and_end(3)
		rows = self.store.ended(4e9, 10)
		self.assertEqual([row["name"] for row in rows], [names[2], names[1]])
		self.assertEqual(set(rows[0]), {"name", *MEASURED_FIELDS})
		self.assertEqual((rows[0]["ended"], rows[0]["first_event_ms"]), (4e9 + 2, 5))
		self.assertEqual([row["name"] for row in self.store.ended(4e9, 1)], names[2:])

	def test_what_has_not_ended_is_counted_by_status(self) -> None:
		before = self.store.unended(now=1000.0)
		self.store.open(row(request_id="held", lease=1000.5))
		self.store.open(row(request_id="dead", lease=1000.0))
		self.store.open(row(request_id="queued", status="queued"), {})
		after = self.store.unended(now=1000.0)
		grown = {status: after[status] - before[status] for status in after}
		self.assertEqual(grown, {"running": 1, "queued": 1})

	def test_of_a_kind_and_subject_one_alert_is_open_until_it_ends(self) -> None:
		kind, subjects = "provider_failing", ("test of the store", "Test of the store")
		for subject in subjects:
			self.store.keep_alert(kind, subject, "It fails.", 5.5)
		self.store.keep_alert(kind, subjects[0], "It fails again.", 6.5)
		self.store.keep_alert("realtime_gone", "test of the store", "It is gone.", 7.5)

		def open_alerts() -> dict[tuple[str, str], float]:
			return {key: seen for key, seen in self.store.alerts().items() if key[1] in subjects}

		gone = ("realtime_gone", subjects[0])
		self.assertEqual(open_alerts(), {(kind, subjects[0]): 6.5, (kind, subjects[1]): 5.5, gone: 7.5})
		self.store.end_alert(kind, subjects[0], 8.5)
		self.assertEqual(open_alerts(), {(kind, subjects[1]): 5.5, gone: 7.5})
		self.rollback()
		self.assertEqual(open_alerts(), {})
