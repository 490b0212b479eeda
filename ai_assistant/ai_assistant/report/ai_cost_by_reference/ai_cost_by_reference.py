"""The report AI Cost by Reference: what the requests of each document have used."""

from typing import Any

from frappe import _
from frappe.utils import add_days

from ai_assistant.ai_assistant.desk import column, visible
from ai_assistant.store.mariadb import sql


def execute(filters: dict[str, Any] | None = None) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
	"""Returns the columns and a row for each document, the most expensive first.

	Only requests that the user may read are counted, and only for as long as the site keeps them.

	Args:
		filters: `from_date` and `to_date`, both included, and `reference_doctype`; each may be missing.
	"""
	values = dict(filters or {})
	conditions = ["reference_name is not null", visible("AI Request")]
	if values.get("reference_doctype"):
		conditions.append("reference_doctype = %(reference_doctype)s")
	if values.get("from_date"):
		conditions.append("creation >= %(from_date)s")
	if values.get("to_date"):
		values["before"] = add_days(values["to_date"], 1)
		conditions.append("creation < %(before)s")
	rows: list[dict[str, Any]] = sql(
		f"""select reference_doctype, reference_name, count(*) requests, count(distinct `user`) users,
			sum(total_tokens) tokens, sum(cost_usd) cost_usd
		from `tabAI Request` where {" and ".join(conditions)}
		group by reference_doctype, reference_name
		order by cost_usd desc, tokens desc, reference_doctype, reference_name""",
		values,
		as_dict=True,
	)
	columns = [
		column("reference_doctype", _("Reference DocType"), "Link", 180, options="DocType"),
		column("reference_name", _("Reference Name"), "Dynamic Link", 220, options="reference_doctype"),
		column("requests", _("Requests"), "Int", 110),
		column("users", _("Users"), "Int", 90),
		column("tokens", _("Tokens"), "Int", 130),
		column("cost_usd", _("Cost (USD)"), "Float", 130, precision=4),
	]
	return columns, rows
