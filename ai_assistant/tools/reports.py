"""The tool that runs a report. Frappe checks the report's own roles and the right to report on its DocType."""

from typing import Annotated, Any

import frappe
from frappe import _
from pydantic import Field

from .access import is_of_closed_app, readable_doctype
from .documents import Scalar
from .tool import ToolError, tool

MAX_ROWS = 100
TYPES = ("Query Report", "Script Report", "Custom Report")


@tool(reads_only=True)
def run_report(
	report: Annotated[str, Field(max_length=140, description="The name of a report.")],
	filters: Annotated[
		dict[
			Annotated[str, Field(max_length=140)],
			Scalar | Annotated[list[Scalar], Field(max_length=100)],
		],
		Field(max_length=40, description="The values of the report's filters by their field names."),
	] = {},  # noqa: B006
) -> dict[str, Any]:
	"""Run a Query Report or a Script Report and return its first 100 rows."""
	from frappe.desk.query_report import run

	wanted = ["name", "ref_doctype", "report_type", "module", "is_standard"]
	values = frappe.db.get_value("Report", {"name": report}, wanted, as_dict=True)
	unknown = ToolError(_("There is no report {0} that you may run.").format(report))
	if not values or (values.is_standard == "Yes" and is_of_closed_app(values.module)):
		raise unknown
	if values.report_type not in TYPES:
		raise ToolError(_("{0} is a list of documents; use get_list.").format(report))
	try:
		readable_doctype(values.ref_doctype, "report")
		result = run(values.name, dict(filters), are_default_filters=not filters)
	except (ToolError, frappe.PermissionError):
		raise unknown from None
	if result.get("prepared_report"):
		raise ToolError(_("{0} takes long and is prepared in the background; run it in Desk.").format(report))
	columns = [
		{name: column.get(name) for name in ("fieldname", "label", "fieldtype") if column.get(name)}
		for column in result.get("columns") or []
		if isinstance(column, dict)
	]
	rows = result.get("result") or []
	return {"columns": columns, "count": len(rows), "rows": rows[:MAX_ROWS]}
