"""Requests and events in the tables of AI Request and AI Request Event."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import frappe
from frappe.model.dynamic_links import invalidate_distinct_link_doctypes

from ai_assistant import view_log

from ..errors import LeaseLost, RequestExists
from ..mariadb import BY_STATUS, ERROR_WITHOUT_CONTENT, NOW, PAYLOAD_WITHOUT_CONTENT, sql, take_lock
from ..requests import (
	CONTENT_FIELDS,
	LIVE_FIELDS,
	REQUEST_FIELDS,
	UNENDED,
	Event,
	Load,
	Row,
	approval_decided,
	decision_in,
)
from ..serialization import to_json
from .rows import EVENT, REQUEST, append_long, columns_of, insert, select_requests, split_long
from .usage import book

LOCK = "AI Lock"
# The seconds that a request waits for the admission lock. Then the site answers `busy`.
LOCK_WAIT_S = 5


class FrappeRequests:
	"""`ai_assistant.store.requests.Requests` on MariaDB."""

	def open(
		self,
		row: Mapping[str, Any],
		question: Mapping[str, Any] | None = None,
		sent: Mapping[str, Any] | None = None,
	) -> str:
		name: str = frappe.generate_hash(length=20)
		objects = {"question": question, "sent": sent}
		texts = {field: to_json(value) for field, value in objects.items() if value is not None}
		columns, long = split_long({**columns_of(row), **texts})
		try:
			insert(REQUEST, name, frappe.utils.now(), columns)
		except Exception as error:
			# MariaDB undoes only the statement, not the transaction.
			if frappe.db.is_unique_key_violation(error):
				raise RequestExists(row["request_id"]) from None
			raise
		append_long(name, long)
		if reference := row.get("reference_doctype"):
			# Frappe caches for 12 hours which DocTypes a Dynamic Link names (frappe/model/dynamic_links.py). Only
			# documents that are saved clear that cache, and a reference to an uncached DocType follows no new name.
			invalidate_distinct_link_doctypes(REQUEST, "reference_doctype", reference)
		return name

	def admission_load(self, user: str, window_s: float, nth: int, is_continuation: bool = False) -> Load:
		# Frappe may read the time zone from the database here, for example while Redis is down.
		timestamp = frappe.utils.now()
		# A transaction sees what was committed at its first read without a lock, so that read must follow the lock.
		# A lock of the counted rows would deadlock with the processes that renew their leases.
		frappe.db.commit()  # nosemgrep: frappe-manual-commit
		take_lock(LOCK, "admission", timestamp, LOCK_WAIT_S)
		# One statement instead of three: each costs a chat 0.1 to 0.3 ms before its first chunk.
		((now, own, running, nth_newest),) = sql(
			f"SELECT {NOW}, COUNT(CASE WHEN user = %(user)s THEN 1 END), COUNT(CASE WHEN status = 'running' THEN 1 END),"
			f" (SELECT created FROM `tab{REQUEST}` WHERE user = %(user)s AND created > {NOW} - %(window)s"
			" AND is_continuation = %(continues)s ORDER BY created DESC LIMIT 1 OFFSET %(before)s)"
			f" FROM `tab{REQUEST}`"
			f" WHERE (status = 'queued' AND user = %(user)s) OR (status = 'running' AND lease > {NOW})",
			{"user": user, "window": window_s, "continues": int(is_continuation), "before": nth - 1},
		)
		return Load(float(now), int(own), int(running), nth_newest)

	def start(self, name: str, lease: float) -> tuple[Row, dict[str, Any]]:
		_lock_request(name, ("queued",))
		sql(f"UPDATE `tab{REQUEST}` SET status = 'running', lease = %s WHERE name = %s", (lease, name))
		((question,),) = sql(f"SELECT question FROM `tab{REQUEST}` WHERE name = %s", (name,))
		return select_requests("name = %(name)s", {"name": name})[0], json.loads(question)

	def detach(self, name: str, detached: Mapping[str, Any]) -> None:
		_lock_request(name, ("running",))
		sql(f"UPDATE `tab{REQUEST}` SET detached = %s WHERE name = %s", (to_json(dict(detached)), name))

	def requeue(self, name: str, now: float) -> None:
		_lock_request(name, ("running",))
		# A read without a lock may be older than the transaction of the process that renewed the lease.
		((lease,),) = sql(f"SELECT lease FROM `tab{REQUEST}` WHERE name = %s FOR UPDATE", (name,))
		if lease > now:
			raise LeaseLost(name)
		sql(f"UPDATE `tab{REQUEST}` SET status = 'queued', lease = 0 WHERE name = %s", (name,))

	def queued(self) -> list[Row]:
		return select_requests("status = 'queued' ORDER BY created, creation", {})

	def get(self, user: str, request_id: str) -> Row | None:
		rows = select_requests("user = %(user)s AND request_id = %(id)s", {"user": user, "id": request_id})
		return rows[0] if rows else None

	def continuations(self, user: str, keys: Sequence[str]) -> dict[str, str]:
		rows = sql(
			f"SELECT call_key, continuation FROM `tab{REQUEST}`"
			" WHERE call_key IN %s AND user = %s AND continuation != '' ORDER BY created",
			(tuple(keys), user),
		)
		return dict(rows)

	def of_task(
		self,
		user: str,
		task_id: str,
		unended: bool = False,
		limit: int | None = None,
		wanted: Sequence[str] = REQUEST_FIELDS,
	) -> list[Row]:
		only = " AND status IN %(open)s" if unended else ""
		# MariaDB has no LIMIT that means all.
		most = 2**63 if limit is None else limit
		return select_requests(
			f"user = %(user)s AND task_id = %(task)s{only} ORDER BY created DESC, creation DESC LIMIT %(limit)s",
			{"user": user, "task": task_id, "open": UNENDED, "limit": most},
			wanted,
			BY_STATUS if unended else "",
		)

	def live(self, user: str | None, since: float, names: Sequence[str], limit: int) -> list[Row]:
		# Each part uses an index of its own. An OR would read the past requests of all users.
		own = "" if user is None else "user = %(user)s AND "
		table = f"SELECT name FROM `tab{REQUEST}`"
		return select_requests(
			f"name IN (SELECT name FROM ({table} {BY_STATUS} WHERE {own}status IN %(open)s"
			f" UNION {table} WHERE {own}name IN %(names)s"
			f" UNION ({table} WHERE {own}created > %(since)s ORDER BY created, creation LIMIT %(limit)s)) AS found)"
			" ORDER BY created, creation LIMIT %(limit)s",
			# SQL has no empty list.
			{"user": user, "open": UNENDED, "since": since, "names": [*names, ""], "limit": limit},
			LIVE_FIELDS,
		)

	def append(self, name: str, event: Event) -> None:
		rest = {key: value for key, value in event.items() if key not in ("seq", "type", "text")}
		columns = {
			"request": name,
			"seq": event["seq"],
			"type": event["type"],
			"text": event["text"],
			"payload": to_json(rest),
		}
		try:
			insert(EVENT, f"{name}:{event['seq']}", event.get("timestamp") or frappe.utils.now(), columns)
		except Exception as error:
			if frappe.db.is_duplicate_entry(error):
				raise LeaseLost(name) from None
			raise

	def events(self, name: str, after_seq: int = 0) -> list[Event]:
		rows = sql(
			f"SELECT seq, type, text, payload FROM `tab{EVENT}` WHERE request = %s AND seq > %s ORDER BY seq",
			(name, after_seq),
		)
		return [
			{"seq": seq, "type": kind, "text": text, **json.loads(payload)}
			for seq, kind, text, payload in rows
		]

	def last_seq(self, name: str) -> int:
		((newest,),) = sql(f"SELECT MAX(seq) FROM `tab{EVENT}` WHERE request = %s", (name,))
		return newest or 0

	def renew(self, name: str, lease: float) -> bool:
		(cancel_asked,) = _lock_request(name, ("running",), "`cancel_asked`")
		sql(f"UPDATE `tab{REQUEST}` SET lease = %s WHERE name = %s", (lease, name))
		return bool(cancel_asked)

	def ask_to_cancel(self, name: str) -> None:
		# MariaDB 11.6 and later refuse to write a row that has changed since this transaction read it.
		frappe.db.commit()  # nosemgrep: frappe-manual-commit
		sql(f"UPDATE `tab{REQUEST}` SET cancel_asked = 1 WHERE name = %s", (name,))

	def ask_approval(self, name: str, approval: str) -> None:
		_lock_request(name, ("running",))
		sql(f"UPDATE `tab{REQUEST}` SET approval = %s WHERE name = %s", (approval, name))

	def decide(self, name: str, approval: str, approved: bool) -> bool:
		# MariaDB 11.6 and later refuse to write a row that has changed since this transaction read it.
		frappe.db.commit()  # nosemgrep: frappe-manual-commit
		waits = sql(
			f"SELECT 1 FROM `tab{REQUEST}` WHERE name = %s AND status = 'running' AND approval = %s FOR UPDATE",
			(name, approval),
		)
		if waits:
			decided = approval_decided(approval, approved)
			sql(f"UPDATE `tab{REQUEST}` SET approval = %s WHERE name = %s", (decided, name))
		return bool(waits)

	def decision(self, name: str, approval: str) -> bool | None:
		rows = sql(f"SELECT approval FROM `tab{REQUEST}` WHERE name = %s", (name,), pluck=True)
		return decision_in(rows[0] if rows else None, approval)

	def lapsed(self, now: float) -> list[Row]:
		return select_requests("status = 'running' AND lease < %(now)s", {"now": now})

	def finish(self, name: str, values: Mapping[str, Any]) -> None:
		unknown, user, ai_key, now = _lock_request(
			name, UNENDED, f"`unknown_figures`, `user`, `ai_key`, {NOW}"
		)
		ended = columns_of({"ended": float(now), **values}, unknown)
		columns, long = split_long({"modified": frappe.utils.now(), "question": None, **ended})
		changes = ", ".join(f"`{field}` = %s" for field in columns)
		sql(f"UPDATE `tab{REQUEST}` SET {changes} WHERE name = %s", (*columns.values(), name))
		append_long(name, long)
		if usage := values.get("usage"):
			book(user, ai_key, usage)

	def sent(self, name: str) -> dict[str, Any] | None:
		((text,),) = sql(f"SELECT sent FROM `tab{REQUEST}` WHERE name = %s", (name,))
		return json.loads(text) if text else None

	def erase(self, name: str) -> None:
		empty = ", ".join(f"{field} = NULL" for field in CONTENT_FIELDS)
		sql(
			f"UPDATE `tab{REQUEST}` SET {empty}, error = {ERROR_WITHOUT_CONTENT},"
			" tool_calls = CASE WHEN tool_calls IS NOT NULL THEN '[]' END, sent = '{}' WHERE name = %s",
			(name,),
		)
		self.forget(name)

	def forget(self, name: str) -> None:
		sql(
			f"UPDATE `tab{EVENT}` SET text = '', payload = {PAYLOAD_WITHOUT_CONTENT} WHERE request = %s",
			(name,),
		)

	def unended(self, now: float) -> dict[str, int]:
		((queued, running),) = sql(
			f"SELECT COUNT(CASE WHEN status = 'queued' THEN 1 END), COUNT(CASE WHEN status = 'running' THEN 1 END) FROM `tab{REQUEST}`"
			" WHERE status = 'queued' OR (status = 'running' AND lease > %s)",
			(now,),
		)
		return {"queued": int(queued), "running": int(running)}

	def log_view(self, reader: str, name: str) -> None:
		view_log.add_row(reader, REQUEST, name)


def _lock_request(name: str, statuses: tuple[str, ...], columns: str = "`name`") -> tuple[Any, ...]:
	"""Locks the row of a request until the end of the transaction.

	Returns:
		The values of some columns of the row.

	Raises:
		LeaseLost: the request has none of the `statuses`.
	"""
	rows = sql(
		f"SELECT {columns} FROM `tab{REQUEST}` WHERE name = %s AND status IN %s FOR UPDATE",
		(name, statuses),
	)
	if not rows:
		raise LeaseLost(name)
	row: tuple[Any, ...] = rows[0]
	return row
