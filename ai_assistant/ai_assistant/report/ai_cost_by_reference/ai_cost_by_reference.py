"""The report AI Cost by Reference: what the requests of each document have used."""

from typing import Any

import frappe
from frappe import _
from frappe.desk.reportview import build_match_conditions
from frappe.utils import add_days


def execute(filters: dict[str, Any] | None = None) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
	"""Returns the columns and a row for each document, the most expensive first.

	Only requests that the user may read are counted, and only for as long as the site keeps them.

	Args:
		filters: `from_date` and `to_date`, both included, and `reference_doctype`; each may be missing.
	"""
	values = dict(filters or {})
	conditions = ["reference_name is not null"]
	if values.get("reference_doctype"):
		conditions.append("reference_doctype = %(reference_doctype)s")
	if values.get("from_date"):
		conditions.append("creation >= %(from_date)s")
	if values.get("to_date"):
		values["before"] = add_days(values["to_date"], 1)
		conditions.append("creation < %(before)s")
	if mine := build_match_conditions("AI Request"):
		conditions.append(f"({mine})")
	# `build_match_conditions` is SQL, which the query builder does not take.
	rows: list[dict[str, Any]] = frappe.db.sql(  # nosemgrep: frappe-using-db-sql
		f"""select reference_doctype, reference_name, count(*) requests, count(distinct `user`) users,
			sum(total_tokens) tokens, sum(cost_usd) cost_usd
		from `tabAI Request` where {" and ".join(conditions)}
		group by reference_doctype, reference_name
		order by cost_usd desc, tokens desc, reference_doctype, reference_name""",
		values,
		as_dict=True,
	)
	return _columns(), rows


def _columns() -> list[dict[str, Any]]:
	def column(name: str, label: str, kind: str, width: int, **more: Any) -> dict[str, Any]:
		return {"fieldname": name, "label": label, "fieldtype": kind, "width": width, **more}

	return [
		column("reference_doctype", _("Reference DocType"), "Link", 180, options="DocType"),
		column("reference_name", _("Reference Name"), "Dynamic Link", 220, options="reference_doctype"),
		column("requests", _("Requests"), "Int", 110),
		column("users", _("Users"), "Int", 90),
		column("tokens", _("Tokens"), "Int", 130),
		column("cost_usd", _("Cost (USD)"), "Float", 130, precision=4),
	]
