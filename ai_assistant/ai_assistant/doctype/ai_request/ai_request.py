from typing import Any
from urllib.parse import urlencode

import frappe
from frappe import _
from frappe.utils import add_days, escape_html, get_fullname, get_url_to_form, get_url_to_list, now_datetime

from ai_assistant import store
from ai_assistant.chat import queue
from ai_assistant.operations import metrics
from ai_assistant.store.frappe_store.figure_columns import figures_in
from ai_assistant.store.mariadb import keep_binary
from ai_assistant.store.serialization import to_json
from ai_assistant.view_log import LogsViews

SHOWN_ON_FORMS = 20
"""The number of requests in the timeline of a document."""


class AIRequest(LogsViews):
	"""One chat, from its acceptance to its outcome. Only `ai_assistant.store.frappe_store` writes the rows.

	Each figure is stored once, in a column that Desk lists, filters and sums. Columns of numbers have no NULL in
	Frappe, so `unknown_figures` names the figures that are null for clients. `usage`, `timing` and `realtime` are the
	objects that clients get, built from the columns; `error` is stored without its code, which is in `error_code`.
	`first_chunk_ms` is the smaller of two other figures: a number card of Frappe can only average a column.
	"""

	# begin: auto-generated types
	# This code is auto-generated. Do not modify anything in this block.

	from typing import TYPE_CHECKING

	if TYPE_CHECKING:
		from frappe.types import DF

		ai_key: DF.Link | None
		approval: DF.Data | None
		attempts: DF.Code | None
		cancel_asked: DF.Check
		cache_write_tokens: DF.Int
		cached_tokens: DF.Int
		call_key: DF.Data | None
		completion_tokens: DF.Int
		continuation: DF.Code | None
		cost_usd: DF.Float
		counted: DF.Check
		created: DF.Float
		detached: DF.Code | None
		dropped: DF.Code | None
		duration_ms: DF.Int
		ended: DF.Float
		error: DF.Code | None
		error_code: DF.Data | None
		estimated: DF.Check
		events: DF.Int
		excerpt: DF.Data | None
		failed_events: DF.Int
		fingerprint: DF.Data | None
		finish_reason: DF.Data | None
		first_chunk_ms: DF.Int
		first_event_ms: DF.Int
		first_reasoning_ms: DF.Int
		first_text_ms: DF.Int
		images: DF.Code | None
		is_continuation: DF.Check
		key_label: DF.Data | None
		lease: DF.Float
		metadata: DF.Code | None
		mode: DF.Data | None
		model: DF.Data | None
		new_messages: DF.Code | None
		prompt_bytes: DF.Int
		prompt_tokens: DF.Int
		provider: DF.Data | None
		question: DF.Code | None
		reasoning: DF.Code | None
		reasoning_tokens: DF.Int
		reference_doctype: DF.Link | None
		reference_name: DF.DynamicLink | None
		request_id: DF.Data | None
		sent: DF.Code | None
		response: DF.Code | None
		sources: DF.Code | None
		status: DF.Literal["queued", "running", "completed", "cancelled", "failed"]
		task_id: DF.Data | None
		thinking_ms: DF.Int
		title: DF.Data | None
		tool_calls: DF.Code | None
		tool_runs: DF.Code | None
		total_tokens: DF.Int
		trimmed: DF.Code | None
		unknown_figures: DF.SmallText | None
		user: DF.Link | None
	# end: auto-generated types

	@property
	def usage(self) -> str | None:
		return self._object("usage")

	@property
	def timing(self) -> str | None:
		return self._object("timing")

	@property
	def realtime(self) -> str | None:
		return self._object("realtime")

	def _object(self, field: str) -> str | None:
		"""Returns an object of figures as JSON."""
		figures = figures_in(field, self.__dict__)
		return None if figures is None else to_json(figures)

	def content_user(self) -> str | None:
		return self.user

	def on_trash(self) -> None:
		_count([self.name])
		for doctype in ("AI Request Event", "AI Webhook Delivery"):
			frappe.db.delete(doctype, {"request": self.name})

	@staticmethod
	def clear_old_logs(days: int = 30) -> None:
		"""Deletes old requests with their events. Log Settings calls it (frappe/core/doctype/log_settings)."""
		request, event = frappe.qb.DocType("AI Request"), frappe.qb.DocType("AI Request Event")
		old = request.creation < add_days(now_datetime(), -days)
		uncounted = frappe.qb.from_(request).select(request.name).where(old & (request.counted == 0))
		_count(uncounted.run(pluck=True))
		delivery = frappe.qb.DocType("AI Webhook Delivery")
		for table in (event, delivery):
			names = frappe.qb.from_(request).select(request.name).where(old)
			frappe.db.delete(table, table.request.isin(names))
		frappe.db.delete(request, old)


def _count(names: list[str]) -> None:
	"""Adds requests that are not counted yet to the sums, in the transaction that deletes them."""
	for start in range(0, len(names), metrics.BATCH):
		batch = names[start : start + metrics.BATCH]
		store.current().count(metrics.sums_of, len(batch), batch)


@frappe.whitelist(methods=["POST"])
def stop(name: str) -> list[str]:
	"""Cancels a request from Desk. A System Manager can cancel those of all users. Returns the ids of what it stops."""
	doc = frappe.get_doc("AI Request", name)
	# Not `check_permission`, which logs that the user reads the content.
	frappe.has_permission("AI Request", doc=doc, throw=True)
	row = store.current().get(doc.user, doc.request_id)
	return queue.cancel([row] if row and row["status"] in store.UNENDED else [])


@frappe.whitelist(methods=["POST"])
def get_events(name: str) -> list[store.Event]:
	"""Returns the events of a request for its form. Frappe's View Log gets a row if they are another user's."""
	doc: AIRequest = frappe.get_doc("AI Request", name)
	doc.check_permission()
	return store.current().events(name)


class SearchRefused(frappe.ValidationError):
	"""The user may not read the DocType of a link search.

	A PermissionError from a standard query would be answered with a page and 404 (frappe/desk/search.py).
	"""

	http_status_code = 403


@frappe.whitelist()
@frappe.validate_and_sanitize_search_inputs
def find(
	doctype: str,
	txt: str,
	searchfield: str,
	start: int,
	page_len: int,
	filters: dict[str, Any] | list[Any] | None,
) -> list[Any]:
	"""Searches the names of the rows that the user may see, for link fields.

	Frappe's own search skips `permission_query_conditions` for users who may read some row of the DocType and send
	`ignore_user_permissions=1`, and returns any field (frappe/desk/search.py, `search_widget`).
	"""
	if not frappe.has_permission(doctype):
		raise SearchRefused(doctype)
	requests: list[Any] = frappe.get_list(
		doctype,
		filters=filters,
		or_filters={"name": ("like", f"%{txt}%")},
		fields=["name"],
		limit_start=start,
		limit_page_length=page_len,
		as_list=True,
	)
	return requests


def timeline_of(doctype: str, name: str | int) -> list[dict[str, Any]]:
	"""Lists the requests of a document for the timeline of its form, by the hook `additional_timeline_content`.

	Returns:
		The newest requests that the user may read, at most SHOWN_ON_FORMS, as Frappe's timeline takes them
		(frappe/desk/form/load.py). An item has the beginning of the question if it is the user's own. If there are
		more, the last item links to the list of all.
	"""
	if not frappe.has_permission("AI Request"):
		return []
	filters = {"reference_doctype": doctype, "reference_name": str(name)}
	rows = frappe.get_list(
		"AI Request",
		filters=filters,
		fields=["name", "user", "creation"],
		order_by="creation desc",
		limit_page_length=SHOWN_ON_FORMS + 1,
	)
	own = [row.name for row in rows if row.user == frappe.session.user]
	questions = dict(
		frappe.get_all("AI Request", {"name": ("in", own)}, ["name", "excerpt"], as_list=True) if own else ()
	)
	items = []
	for row in rows[:SHOWN_ON_FORMS]:
		link = _link(get_url_to_form("AI Request", row.name), questions.get(row.name) or _("AI Request"))
		content = _("{0} asked AI Assistant: {1}").format(escape_html(get_fullname(row.user)), link)
		items.append({"creation": row.creation, "content": content})
	if len(rows) > SHOWN_ON_FORMS:
		address = f"{get_url_to_list('AI Request')}?{urlencode(filters)}"
		items.append({"creation": rows[-1].creation, "content": _link(address, _("All AI Requests"))})
	return items


def _link(address: str, text: str) -> str:
	return f'<a href="{escape_html(address)}">{escape_html(text)}</a>'


def on_doctype_update() -> None:
	"""Makes the keys compare byte by byte, and creates the indexes of the store.

	Frappe calls it after each sync of the DocType, and `after_migrate` calls it as well. The sync compares the types
	of columns but not their collations (frappe/database/schema.py), so the collation stays unless a release changes
	the length of a key. Releases must not.
	"""
	keep_binary("AI Request", {"user": 140, "request_id": 64, "task_id": 140})
	# For the number of requests with a key in the last minute.
	frappe.db.add_index("AI Request", ["ai_key", "created"])
	frappe.db.add_unique("AI Request", ["user", "request_id"])
	# For the newest request of a task.
	frappe.db.add_index("AI Request", ["user", "task_id", "created", "creation"])
	# For the number of requests of a user in the last minute.
	frappe.db.add_index("AI Request", ["user", "created"])
	# For the requests that ended lately, and for those that are in no sum yet.
	frappe.db.add_index("AI Request", ["counted", "ended"])
	# For the leases that have run out, each minute, and for the number of running requests.
	frappe.db.add_index("AI Request", ["status", "lease"])
	# For `watch`, which asks twice a second what is new.
	frappe.db.add_index("AI Request", ["created"])
	frappe.db.add_index("AI Request", ["call_key"])
	# For the requests of a document, and for its new name.
	frappe.db.add_index("AI Request", ["reference_name", "reference_doctype"])
