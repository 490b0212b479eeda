from typing import Any

import frappe
from frappe import _
from frappe.model.document import Document
from frappe.utils import add_days, now_datetime

from ai_assistant import store
from ai_assistant.chat import queue
from ai_assistant.operations import metrics

LOGS = ("AI Request", "AI Request Event")
BINARY = "utf8mb4_nopad_bin"
"""The collation of ids: any other of MariaDB's ignores case, trailing spaces (utf8mb4_bin too), or both."""


class AIRequest(Document):
	"""One chat, from acceptance to outcome. `ai_assistant.store.frappe_store` writes the rows, and nobody else."""

	# begin: auto-generated types
	# This code is auto-generated. Do not modify anything in this block.

	from typing import TYPE_CHECKING

	if TYPE_CHECKING:
		from frappe.types import DF

		ai_key: DF.Link | None
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
		dropped: DF.Code | None
		duration_ms: DF.Int
		ended: DF.Float
		error: DF.Code | None
		error_code: DF.Data | None
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
		lease: DF.Float
		metadata: DF.Code | None
		mode: DF.Data | None
		model: DF.Data | None
		prompt_bytes: DF.Int
		prompt_tokens: DF.Int
		provider: DF.Data | None
		question: DF.Code | None
		realtime: DF.Code | None
		reasoning: DF.Code | None
		reasoning_tokens: DF.Int
		request_id: DF.Data | None
		sent: DF.Code | None
		response: DF.Code | None
		sources: DF.Code | None
		status: DF.Literal["queued", "running", "completed", "cancelled", "failed"]
		task_id: DF.Data | None
		thinking_ms: DF.Int
		timing: DF.Code | None
		tool_calls: DF.Code | None
		total_tokens: DF.Int
		usage: DF.Code | None
		user: DF.Link | None
	# end: auto-generated types

	def validate(self) -> None:
		frappe.throw(_("AI Requests are made by chats alone; they cannot be edited."), frappe.PermissionError)

	def on_trash(self) -> None:
		_count([self.name])
		frappe.db.delete("AI Request Event", {"request": self.name})

	@staticmethod
	def clear_old_logs(days: int = 30) -> None:
		"""What Log Settings calls (frappe/core/doctype/log_settings). The events go with their requests."""
		request, event = frappe.qb.DocType("AI Request"), frappe.qb.DocType("AI Request Event")
		old = request.creation < add_days(now_datetime(), -days)
		uncounted = frappe.qb.from_(request).select(request.name).where(old & (request.counted == 0))
		_count(uncounted.run(pluck=True))
		frappe.db.delete(event, event.request.isin(frappe.qb.from_(request).select(request.name).where(old)))
		frappe.db.delete(request, old)


def _count(names: list[str]) -> None:
	"""Adds requests to the sums, if they are not, in the transaction that deletes them."""
	for start in range(0, len(names), metrics.BATCH):
		batch = names[start : start + metrics.BATCH]
		store.current().count(metrics.sums_of, len(batch), batch)


@frappe.whitelist(methods=["POST"])
def stop(name: str) -> list[str]:
	"""What Cancel in Desk does, also to another's request by a System Manager; gives the ids of what it stops."""
	doc = frappe.get_doc("AI Request", name)
	doc.check_permission()
	row = store.current().get(doc.user, doc.request_id)
	return queue.cancel([row] if row and row["status"] in store.UNENDED else [])


class SearchRefused(frappe.ValidationError):
	"""A link search in a log that the user may read nothing of.

	To a PermissionError of a query of an app's own Frappe answers with a page and 404 (frappe/desk/search.py).
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
	"""The link search in requests and events, always within what the user may see.

	Frappe's own leaves out `permission_query_conditions` for everybody who may read some row of the DocType and
	sends `ignore_user_permissions=1`, and gives any field asked for (frappe/desk/search.py, `search_widget`).
	"""
	if not frappe.has_permission(doctype):
		raise SearchRefused(doctype)
	found: list[Any] = frappe.get_list(
		doctype,
		filters=filters,
		or_filters={"name": ("like", f"%{txt}%")},
		fields=["name"],
		limit_start=start,
		limit_page_length=page_len,
		as_list=True,
	)
	return found


def on_doctype_update() -> None:
	"""Keys that are compared byte by byte, and the indexes that the store looks up by.

	Frappe calls it whenever it has synced the DocType, and so does our own `after_migrate`. Its sync compares the
	types of columns and not their collations (frappe/database/schema.py), so it leaves them alone, unless it
	changes the length of a key: later releases must not.
	"""
	keep_binary("AI Request", {"user": 140, "request_id": 64, "task_id": 140})
	# The requests of the last minute that came with a key.
	frappe.db.add_index("AI Request", ["ai_key", "created"])
	frappe.db.add_unique("AI Request", ["user", "request_id"])
	# Of a task the newest is asked for, whatever its past.
	frappe.db.add_index("AI Request", ["user", "task_id", "created", "creation"])
	# Whoever asks is told apart from those who have asked too often within a minute.
	frappe.db.add_index("AI Request", ["user", "created"])
	# What ended lately, and what is in no sum yet.
	frappe.db.add_index("AI Request", ["counted", "ended"])
	# The sweep asks every minute who has let go of a running request, and whoever asks how many run.
	frappe.db.add_index("AI Request", ["status", "lease"])
	# Whoever watches all of them asks twice a second what is new.
	frappe.db.add_index("AI Request", ["created"])
	frappe.db.add_index("AI Request", ["call_key"])


def keep_binary(doctype: str, lengths: dict[str, int]) -> None:
	"""Makes the columns of these names and lengths compare byte by byte, where they do not."""
	# The query builder puts the tables of the site into its queries, not information_schema.
	folding = frappe.db.sql(  # nosemgrep: frappe-using-db-sql
		"""select column_name from information_schema.columns
		where table_schema = database() and table_name = %s
		and column_name in %s and collation_name != %s""",
		(f"tab{doctype}", tuple(lengths), BINARY),
		pluck=True,
	)
	if folding:
		changes = (f"modify `{key}` varchar({lengths[key]}) collate {BINARY}" for key in folding)
		# The query builder sets no collation.
		# nosemgrep: frappe-using-db-sql
		frappe.db.sql_ddl(f"alter table `tab{doctype}` {', '.join(changes)}")
