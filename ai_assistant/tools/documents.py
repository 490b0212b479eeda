"""The tools that read documents: get_doc, get_list, search and get_schema.

The docstring of each is what the model is told.
"""

from typing import Annotated, Any, Literal

import frappe
from frappe import _
from frappe.model import table_fields
from pydantic import Field
from typing_extensions import TypedDict

from .access import STANDARD, columns_of, is_closed, levels_of, readable_doctype, readable_fields
from .tool import ToolError, tool

MAX_ROWS = 50
MAX_COUNT = 1_000
MAX_CHILD_ROWS = 50
MAX_TEXT_CHARS = 4_000
MAX_DOCTYPES = 500
# Without a DocType a search looks into so many of them, and takes so many documents of each.
SEARCHED_DOCTYPES, PER_DOCTYPE = 20, 5
SEARCHED_TYPES = ("Data", "Link", "Select", "Small Text", "Text", "Autocomplete", "Phone")

Scalar = Annotated[str, Field(max_length=500)] | int | float | bool | None
DocType = Annotated[str, Field(max_length=140, description="The name of a DocType, such as Customer.")]
Operator = Literal["=", "!=", ">", "<", ">=", "<=", "like", "not like", "in", "not in", "between", "is"]


class Filter(TypedDict):
	"""One condition. All conditions must hold."""

	field: str
	operator: Operator
	value: Annotated[
		Scalar | Annotated[list[Scalar], Field(max_length=100)],
		Field(
			description="A list for in, not in and between; set or not set for is; % stands for any text in like."
		),
	]


@tool(reads_only=True)
def get_doc(doctype: DocType, name: Annotated[str, Field(max_length=140)]) -> dict[str, Any]:
	"""Read one document with its child tables. Empty fields are left out."""
	meta = readable_doctype(doctype)
	# A dict, because Frappe takes a name that equals its DocType for that of a Single.
	stored = frappe.db.exists(meta.name, {"name": name})
	doc = frappe.get_doc(meta.name, stored) if stored else None
	if doc is None or not doc.has_permission("read"):
		raise ToolError(_("There is no {0} {1} that you may read.").format(meta.name, name))
	levels = levels_of(meta)
	values: dict[str, Any] = {"doctype": meta.name, **{field: doc.get(field) for field in STANDARD}}
	for fieldname, field in readable_fields(meta, levels).items():
		value = doc.get(fieldname)
		if field.fieldtype not in table_fields:
			values[fieldname] = _shortened(value)
			continue
		columns = readable_fields(frappe.get_meta(field.options), levels)
		rows = value or []
		values[fieldname] = [_row(row, columns) for row in rows[:MAX_CHILD_ROWS]]
		if len(rows) > MAX_CHILD_ROWS:
			values[f"{fieldname}_rows"] = len(rows)
	return {field: value for field, value in values.items() if value not in (None, "", [])}


@tool(reads_only=True)
def get_list(
	doctype: DocType,
	fields: Annotated[list[str], Field(max_length=40)] = ["name"],  # noqa: B006
	filters: Annotated[list[Filter], Field(max_length=20)] = [],  # noqa: B006
	order_by: Annotated[str, Field(description="The name of a field.")] = "modified",
	descending: bool = True,
	limit: Annotated[int, Field(ge=1, le=MAX_ROWS)] = 20,
	offset: Annotated[int, Field(ge=0, le=100_000)] = 0,
) -> dict[str, Any]:
	"""List documents. `count` is the number of all that match, at most 1000. get_schema tells which fields there are."""
	meta = readable_doctype(doctype)
	columns = columns_of(meta)
	for fieldname in (*fields, *(condition["field"] for condition in filters), order_by):
		if fieldname not in columns:
			raise ToolError(_("{0} has no field {1} that you may read.").format(meta.name, fieldname))
	conditions = [part for condition in filters for part in _conditions(meta, condition)]
	rows = frappe.get_list(
		meta.name,
		fields=list(dict.fromkeys(["name", *fields])),
		filters=conditions,
		order_by=f"{order_by} {'desc' if descending else 'asc'}",
		limit_start=offset,
		limit=limit,
	)
	names = frappe.get_list(meta.name, filters=conditions, pluck="name", limit=MAX_COUNT)
	shortened = [{field: _shortened(value) for field, value in row.items()} for row in rows]
	return {"count": len(names), "rows": shortened}


@tool(reads_only=True)
def search(
	text: Annotated[str, Field(min_length=2, max_length=140)],
	doctype: Annotated[DocType, Field(description="Leave it empty to search the usual DocTypes.")] = "",
	limit: Annotated[int, Field(ge=1, le=MAX_ROWS)] = 20,
) -> list[dict[str, Any]]:
	"""Find documents by a part of their name, title or search fields."""
	if doctype:
		return _matches(readable_doctype(doctype), text, limit)
	hits: list[dict[str, Any]] = []
	for meta in _searched():
		hits += _matches(meta, text, min(PER_DOCTYPE, limit - len(hits)))
		if len(hits) >= limit:
			break
	return hits


@tool(reads_only=True)
def get_schema(
	doctype: Annotated[DocType, Field(description="Leave it empty for the list of DocTypes.")] = "",
) -> dict[str, Any]:
	"""Tell the fields of a DocType that you may read, or the DocTypes if you name none."""
	if not doctype:
		return {"doctypes": _readable_doctypes()}
	meta = readable_doctype(doctype)
	levels = levels_of(meta)
	described = []
	for fieldname, field in readable_fields(meta, levels).items():
		description = _described(fieldname, field)
		if field.fieldtype in table_fields:
			columns = readable_fields(frappe.get_meta(field.options), levels)
			description["columns"] = [_described(name, column) for name, column in columns.items()]
		described.append(description)
	return {"doctype": meta.name, "title_field": meta.title_field, "standard": STANDARD, "fields": described}


def _conditions(meta: Any, condition: Filter) -> list[list[Any]]:
	"""Returns the filters of Frappe that one condition means."""
	fieldname, value, operator = condition["field"], condition["value"], condition["operator"]
	wants_list = operator in ("in", "not in", "between")
	size = len(value) if isinstance(value, list) else 0
	if isinstance(value, list) != wants_list or (operator == "between" and size != 2):
		raise ToolError(_("The operator {0} does not take this value.").format(operator))
	if operator == "is" and value not in ("set", "not set"):
		raise ToolError(_("The operator {0} does not take this value.").format(operator))
	if value is None:
		return [[meta.name, fieldname, "is", "not set" if operator == "=" else "set"]]
	if isinstance(value, list) and operator == "between" and not _is_date(meta, fieldname):
		# Frappe 15 reads the values of `between` as dates, whatever the field is (frappe/model/db_query.py).
		return [[meta.name, fieldname, ">=", value[0]], [meta.name, fieldname, "<=", value[1]]]
	return [[meta.name, fieldname, operator, value]]


def _is_date(meta: Any, fieldname: str) -> bool:
	field = meta.get_field(fieldname)
	return field.fieldtype in ("Date", "Datetime") if field else fieldname in ("creation", "modified")


def _matches(meta: Any, text: str, limit: int) -> list[dict[str, Any]]:
	columns = columns_of(meta)
	candidates = (meta.title_field, *meta.get_search_fields())
	searched = ["name"] + [
		fieldname
		for fieldname in dict.fromkeys(candidates)
		if fieldname in columns and fieldname not in STANDARD and _is_text(meta, fieldname)
	]
	pattern = f"%{text.replace('%', '')}%"
	rows = frappe.get_list(
		meta.name,
		fields=searched,
		or_filters=[[meta.name, fieldname, "like", pattern] for fieldname in searched],
		order_by="modified desc",
		limit=limit,
	)
	title = meta.title_field if meta.title_field in searched else "name"
	return [{"doctype": meta.name, "name": row["name"], "title": _shortened(row[title])} for row in rows]


def _is_text(meta: Any, fieldname: str) -> bool:
	return meta.get_field(fieldname).fieldtype in SEARCHED_TYPES


def _searched() -> list[Any]:
	"""Returns the metas of the DocTypes of Frappe's global search that the user may read."""
	listed = frappe.db.get_values(
		"Global Search DocType",
		{"parent": "Global Search Settings"},
		"document_type",
		order_by="idx",
		pluck=True,
	)
	readable = {doctype["name"] for doctype in _readable_doctypes()}
	return [frappe.get_meta(doctype) for doctype in listed if doctype in readable][:SEARCHED_DOCTYPES]


def _readable_doctypes() -> list[dict[str, str]]:
	"""Returns `name` and `module` of the DocTypes whose documents tools may read for the user."""
	rows = frappe.db.get_values(
		"DocType",
		{"name": ("in", frappe.get_user().get_can_read()), "istable": 0, "issingle": 0, "is_virtual": 0},
		["name", "module", "custom"],
		as_dict=True,
		order_by="name",
	)
	return [{"name": row.name, "module": row.module} for row in rows if not is_closed(row)][:MAX_DOCTYPES]


def _described(fieldname: str, field: Any) -> dict[str, Any]:
	has_options = field.fieldtype in ("Link", "Dynamic Link", "Select", *table_fields)
	values = {
		"field": fieldname,
		"type": field.fieldtype,
		"label": field.label,
		"options": field.options if has_options else "",
		"required": bool(field.reqd),
	}
	return {name: value for name, value in values.items() if value}


def _row(row: Any, columns: dict[str, Any]) -> dict[str, Any]:
	values = {fieldname: _shortened(row.get(fieldname)) for fieldname in columns}
	return {fieldname: value for fieldname, value in values.items() if value not in (None, "")}


def _shortened(value: Any) -> Any:
	"""Cuts a long text."""
	if isinstance(value, str) and len(value) > MAX_TEXT_CHARS:
		return value[:MAX_TEXT_CHARS] + "…"
	return value
