import frappe


def execute() -> None:
	"""Sets when a request ended, for the requests of 0.1.0, which stored only how long they took.

	A patch runs once. A request that 0.1.0 answers after a rollback keeps no such time at the next upgrade. It is
	counted all the same (`FrappeStore.count` goes by the status), and only alerts of the last minutes read the time.
	"""
	request = frappe.qb.DocType("AI Request")
	(
		frappe.qb.update(request)
		.set(request.ended, request.created + request.duration_ms / 1000)
		.where((request.ended == 0) & request.status.isin(("completed", "cancelled", "failed")))
	).run()
