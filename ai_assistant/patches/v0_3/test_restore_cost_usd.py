import frappe

from ai_assistant.bench_tests import TestCase, start_without_requests
from ai_assistant.store.frappe_store import FrappeStore

from . import restore_cost_usd

ANN = "ann@cut.test"


class TestRestoreCostUSD(TestCase):
	def setUp(self) -> None:
		start_without_requests(self, ANN)

	def test_what_a_narrower_column_has_cut_comes_back(self) -> None:
		costs = {"a dear one": 12.345678912, "a cheap one": 1.23e-7, "a free one": 0, "an unknown one": None}
		store, names = FrappeStore(), {}
		for title, cost in costs.items():
			fields = {"user": ANN, "request_id": title, "task_id": title, "status": "running", "created": 1.0}
			names[title] = store.open(fields)
			store.finish(
				names[title], {"status": "completed", "usage": {"total_tokens": 1, "cost_usd": cost}}
			)
		unused = store.open({**fields, "request_id": "without usage"})

		def stored_costs() -> dict[str, float]:
			return {
				title: frappe.db.get_value("AI Request", name, "cost_usd") for title, name in names.items()
			}

		whole = stored_costs()
		self.assertEqual(whole, {title: cost or 0 for title, cost in costs.items()})
		frappe.db.sql("update `tabAI Request` set cost_usd = round(cost_usd, 6) where user = %s", (ANN,))
		self.assertNotEqual(stored_costs(), whole)
		restore_cost_usd.execute()
		self.assertEqual(stored_costs(), whole)
		self.assertEqual(frappe.db.get_value("AI Request", unused, "cost_usd"), 0)
