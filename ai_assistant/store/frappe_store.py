"""The rows of a bench: the DocTypes AI Request, AI Request Event and AI Usage.

Rows are written in SQL, past the document API: nobody else makes them, there is nothing to validate, and a
document costs three times as much (1.4 ms against 0.5 ms an event, its commit included).
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import date
from typing import Any

import frappe

from . import (
	JSON_FIELDS,
	LIVE,
	MEASURED,
	REQUEST_FIELDS,
	SITE,
	UNENDED,
	AlertKey,
	Booked,
	Event,
	LeaseLost,
	Load,
	RequestExists,
	Row,
	Series,
	SumsOf,
)

REQUEST, EVENT, USAGE = "AI Request", "AI Request Event", "AI Usage"
SUM, ALERT, LOCK = "AI Sum", "AI Alert", "AI Lock"

# Columns of the request that Desk lists, filters and sums; the store itself reads the objects they come from.
FIGURES = {
	"usage": {
		"prompt_tokens": "prompt_tokens",
		"cached_tokens": "cached_tokens",
		"cache_write_tokens": "cache_write_tokens",
		"completion_tokens": "completion_tokens",
		"reasoning_tokens": "reasoning_tokens",
		"total_tokens": "total_tokens",
		"cost_usd": "cost_usd",
	},
	"timing": {
		"first_reasoning_ms": "first_reasoning_ms",
		"first_text_ms": "first_text_ms",
		"thinking_ms": "thinking_ms",
		"duration_ms": "duration_ms",
	},
	"realtime": {"events": "events", "failed": "failed_events"},
	"error": {"code": "error_code"},
}
NUMBERS = {column for figures in FIGURES.values() for column in figures.values()} - {"error_code"} | {
	"created",
	"lease",
	"cancel_asked",
	"prompt_bytes",
	"first_chunk_ms",
	"ended",
	"first_event_ms",
}
# What comes from a configuration or a provider, and must not be refused for its length.
CUT = ("mode", "provider", "model", "finish_reason")
COLUMN = 140
# A row that another has changed meanwhile (a deadlock to Frappe 15, not to 16), too many connections, shutting down, the
# connection killed or interrupted, read only; nobody there, gone, lost.
AWAY = (1020, 1040, 1053, 1158, 1159, 1160, 1161, 1290, 1317, 1927, 2002, 2003, 2006, 2013, 2014, 2055)
# A statement that is longer than max_allowed_packet (16 MiB by default) is refused.
PIECE = 1_000_000
# How long one who asks stands in line before the site is said to be busy.
LOCK_WAIT_S = 5


class FrappeStore:
	"""`ai_assistant.store.Store` on MariaDB. `ai_request.on_doctype_update` makes its keys binary.

	A str with a lone surrogate raises UnicodeEncodeError, which leaves nothing written.
	"""

	def now(self) -> float:
		"""The UNIX time by the database's clock: by it what one process has written another judges."""
		((now,),) = frappe.db.sql("SELECT UNIX_TIMESTAMP(NOW(6))")
		return float(now)

	def open(self, row: Mapping[str, Any], question: Mapping[str, Any] | None = None) -> str:
		"""Keep a new request and return its `name`. Raises RequestExists, leaving the transaction usable.

		A queued one is kept with its `question` (anything that JSON can say), until it ends.
		"""
		name: str = frappe.generate_hash(length=20)
		asked = {} if question is None else {"question": _json(question)}
		columns, long = _apart({**_columns(row), **asked})
		try:
			_insert(REQUEST, name, frappe.utils.now(), columns)
		except Exception as error:
			# MariaDB undoes the statement alone.
			if frappe.db.is_unique_key_violation(error):
				raise RequestExists(row["request_id"]) from None
			raise
		_write_long(name, long)
		return name

	def admission_load(self, user: str, now: float, since: float) -> Load:
		"""What there is to do at the UNIX time `now`, with the requests accepted after `since` as `recent`.

		Commits, and lets nobody else see the load until the next commit or rollback: whoever asks then counts what
		was opened meanwhile. So it holds a lock for all of the site; let it be short.
		"""
		# A transaction sees what was committed when it first read without a lock: this one begins behind the lock.
		# Locking the rows that are counted would deadlock with those who renew their leases.
		frappe.db.commit()
		_wait_for_lock("admission")
		((own, running),) = frappe.db.sql(
			f"SELECT COALESCE(SUM(user = %(user)s), 0), COALESCE(SUM(status = 'running'), 0) FROM `tab{REQUEST}`"
			" WHERE (status = 'queued' AND user = %(user)s) OR (status = 'running' AND lease > %(now)s)",
			{"user": user, "now": now},
		)
		recent = frappe.db.sql(
			f"SELECT created FROM `tab{REQUEST}` WHERE user = %s AND created > %s ORDER BY created",
			(user, since),
		)
		return Load(int(own), int(running), [created for (created,) in recent])

	def start(self, name: str, lease: float) -> tuple[Row, dict[str, Any]]:
		"""Make a queued request one that runs and is held until `lease`; gives it and its question.

		Raises LeaseLost where it is not queued: of several who try, one may run it.
		"""
		_lock(name, ("queued",))
		frappe.db.sql(
			f"UPDATE `tab{REQUEST}` SET status = 'running', lease = %s WHERE name = %s", (lease, name)
		)
		((question,),) = frappe.db.sql(f"SELECT question FROM `tab{REQUEST}` WHERE name = %s", (name,))
		return _requests("name = %(name)s", {"name": name})[0], json.loads(question)

	def queued(self) -> list[Row]:
		"""The queued requests of all users, in the order in which they were accepted."""
		return _requests("status = 'queued' ORDER BY created, creation", {})

	def get(self, user: str, request_id: str) -> Row | None:
		"""The user's own request of that id. Another user's is None, as one that never was."""
		rows = _requests("user = %(user)s AND request_id = %(id)s", {"user": user, "id": request_id})
		return rows[0] if rows else None

	def continuations(self, user: str, keys: Sequence[str]) -> dict[str, str]:
		"""Returns the `continuation` of the user's newest request of each `call_key` that has one."""
		rows = frappe.db.sql(
			f"SELECT call_key, continuation FROM `tab{REQUEST}`"
			" WHERE call_key IN %s AND user = %s AND continuation != '' ORDER BY created",
			(tuple(keys), user),
		)
		return dict(rows)

	def of_task(self, user: str, task_id: str, unended: bool = False, limit: int | None = None) -> list[Row]:
		"""The user's requests of a task, newest first, at most `limit`; only those `unended` where asked for."""
		only = " AND status IN %(open)s" if unended else ""
		return _requests(
			f"user = %(user)s AND task_id = %(task)s{only} ORDER BY created DESC, creation DESC LIMIT %(limit)s",
			{
				"user": user,
				"task": task_id,
				"open": UNENDED,
				# MariaDB knows no LIMIT for all.
				"limit": 2**63 if limit is None else limit,
			},
		)

	def live(self, user: str | None, since: float, names: Sequence[str], limit: int) -> list[Row]:
		"""The oldest requests that have not ended, were accepted after `since`, or are among `names`, oldest first.

		At most `limit` of a user, or of all users where that is None: `name` and LIVE.
		"""
		# Each by an index of its own: with OR it would be the past of all users that is looked through.
		own = "" if user is None else "user = %(user)s AND "
		table = f"SELECT name FROM `tab{REQUEST}` WHERE {own}"
		return _requests(
			f"name IN (SELECT name FROM ({table} status IN %(open)s UNION {table} name IN %(names)s"
			f" UNION ({table} created > %(since)s ORDER BY created, creation LIMIT %(limit)s)) AS found)"
			" ORDER BY created, creation LIMIT %(limit)s",
			# An empty list is none in SQL.
			{"user": user, "open": UNENDED, "since": since, "names": [*names, ""], "limit": limit},
			LIVE,
		)

	def append(self, name: str, event: Event) -> None:
		"""Keep the next event of a request. Raises LeaseLost where there is one of that `seq`."""
		rest = {key: value for key, value in event.items() if key not in ("seq", "type", "text")}
		columns = {
			"request": name,
			"seq": event["seq"],
			"type": event["type"],
			"text": event["text"],
			"payload": _json(rest),
		}
		try:
			_insert(EVENT, f"{name}:{event['seq']}", event.get("timestamp") or frappe.utils.now(), columns)
		except Exception as error:
			if frappe.db.is_duplicate_entry(error):
				raise LeaseLost(name) from None
			raise

	def events(self, name: str, after_seq: int = 0) -> list[Event]:
		"""The events of a request with a `seq` above `after_seq`, in order."""
		rows = frappe.db.sql(
			f"SELECT seq, type, text, payload FROM `tab{EVENT}` WHERE request = %s AND seq > %s ORDER BY seq",
			(name, after_seq),
		)
		return [
			{"seq": seq, "type": kind, "text": text, **json.loads(payload)}
			for seq, kind, text, payload in rows
		]

	def last_seq(self, name: str) -> int:
		"""The `seq` of a request's newest event, 0 where there is none."""
		((newest,),) = frappe.db.sql(f"SELECT MAX(seq) FROM `tab{EVENT}` WHERE request = %s", (name,))
		return newest or 0

	def renew(self, name: str, lease: float) -> bool:
		"""Hold a running request until `lease`; whether a cancel was asked for. Raises LeaseLost where it runs no longer."""
		asked = _lock(name, ("running",))
		frappe.db.sql(f"UPDATE `tab{REQUEST}` SET lease = %s WHERE name = %s", (lease, name))
		return asked

	def ask_to_cancel(self, name: str) -> None:
		"""Leave word for the process that runs the request, whichever it is."""
		frappe.db.sql(f"UPDATE `tab{REQUEST}` SET cancel_asked = 1 WHERE name = %s", (name,))

	def lapsed(self, now: float) -> list[Row]:
		"""The running requests of all users whose lease had run out by `now`."""
		return _requests("status = 'running' AND lease < %(now)s", {"now": now})

	def finish(self, name: str, values: Mapping[str, Any]) -> None:
		"""Write the outcome of a request: any of REQUEST_FIELDS. Raises LeaseLost where it has ended already.

		It has `ended` now, if `values` do not say otherwise. Its `usage` is booked with it, on its user's account and on that of the SITE, for today.
		"""
		_lock(name, UNENDED)
		columns, long = _apart(
			{"modified": frappe.utils.now(), "question": None, **_columns({"ended": self.now(), **values})}
		)
		changes = ", ".join(f"`{field}` = %s" for field in columns)
		frappe.db.sql(f"UPDATE `tab{REQUEST}` SET {changes} WHERE name = %s", (*columns.values(), name))
		_write_long(name, long)
		if usage := values.get("usage"):
			_book(name, usage)

	def booked(self, account: str, since: date) -> list[Booked]:
		"""What is booked on a user's account, or on that of the SITE, for the days from `since` on."""
		rows = frappe.db.sql(
			f"SELECT day, tokens, cost_usd FROM `tab{USAGE}` WHERE user = %s AND day >= %s", (account, since)
		)
		return [Booked(day, int(tokens), float(cost)) for day, tokens, cost in rows]

	def unended(self, now: float) -> dict[str, int]:
		"""How many requests of all users are `queued`, and how many are `running` and held at the UNIX time `now`."""
		((queued, running),) = frappe.db.sql(
			f"SELECT COALESCE(SUM(status = 'queued'), 0), COALESCE(SUM(status = 'running'), 0) FROM `tab{REQUEST}`"
			" WHERE status = 'queued' OR (status = 'running' AND lease > %s)",
			(now,),
		)
		return {"queued": int(queued), "running": int(running)}

	def ended(self, since: float, limit: int) -> list[Row]:
		"""The newest requests that ended after the UNIX time `since`: `name` and MEASURED, the newest first."""
		return _requests(
			"counted IN (0, 1) AND ended > %(since)s ORDER BY ended DESC LIMIT %(limit)s",
			{"since": since, "limit": limit},
			MEASURED,
		)

	def count(self, sums_of: SumsOf, limit: int, only: Sequence[str] | None = None) -> int:
		"""Add what ended requests came to (`sums_of`) that are in no sum yet, each once whoever counts too.

		At most `limit` of them, or of `only` these. Gives how many that were.
		"""
		names = only or frappe.db.sql(
			f"SELECT name FROM `tab{REQUEST}` WHERE counted = 0 AND ended > 0 ORDER BY ended LIMIT %s",
			(limit,),
			pluck=True,
		)
		if not names:
			return 0
		# Read anew and locked, by their keys: through the other index, requests that end meanwhile would wait.
		rows = _requests(
			"name IN %(names)s AND counted = 0 AND ended > 0 FOR UPDATE",
			{"names": tuple(names)},
			MEASURED,
			"FORCE INDEX (PRIMARY)",
		)
		if not rows:
			return 0
		counted = tuple(row["name"] for row in rows)
		# By their keys too: of few rows all would be looked at otherwise, and so locked.
		frappe.db.sql(
			f"UPDATE `tab{REQUEST}` FORCE INDEX (PRIMARY) SET counted = 1 WHERE name IN %s", (counted,)
		)
		now = frappe.utils.now()
		# In one order, or two who count could wait for each other.
		for series, value in sorted(sums_of(rows).items()):
			# A label may be as long as a provider's name, and a key may not.
			labels = _json(series)
			key = hashlib.sha256(labels.encode()).hexdigest()
			frappe.db.sql(
				f"INSERT INTO `tab{SUM}` (name, creation, modified, owner, modified_by, series, value)"
				" VALUES (%(key)s, %(now)s, %(now)s, %(user)s, %(user)s, %(labels)s, %(value)s)"
				" ON DUPLICATE KEY UPDATE value = value + %(value)s, modified = %(now)s",
				{"key": key, "now": now, "user": frappe.session.user, "labels": labels, "value": value},
			)
		return len(rows)

	def sums(self) -> dict[Series, float]:
		"""What all requests came to that were ever counted; they outlive the requests."""
		rows = frappe.db.sql(f"SELECT series, value FROM `tab{SUM}`")
		return {tuple(json.loads(series)): float(value) for series, value in rows}

	def alerts(self) -> dict[AlertKey, float]:
		"""The alerts that are not over, and the UNIX time at which each was last seen."""
		rows = frappe.get_all(ALERT, {"status": "open"}, ["kind", "subject", "seen"], limit=0)
		return {(row.kind, row.subject or ""): row.seen for row in rows}

	def keep_alert(self, kind: str, subject: str, message: str, now: float) -> None:
		"""Begin an alert, or say of the one that is not over that it is seen `now`, and what there is to say by now."""
		values = {"message": message, "seen": now}
		if name := self._alert(kind, subject):
			frappe.db.set_value(ALERT, name, values)
			return
		# AI Alert notifies.
		frappe.get_doc(
			{"doctype": ALERT, "kind": kind, "subject": subject, "status": "open", **values}
		).insert(ignore_permissions=True)

	def end_alert(self, kind: str, subject: str, now: float) -> None:
		"""End the alert that is not over."""
		frappe.get_doc(ALERT, self._alert(kind, subject)).end()

	def _alert(self, kind: str, subject: str) -> str | None:
		of_kind = {"kind": kind, "status": "open"}
		found = frappe.get_all(ALERT, of_kind, ["name", "subject"], limit=0)
		return next((row.name for row in found if (row.subject or "") == subject), None)

	def forget(self, name: str) -> None:
		"""Empty the `text`, `arguments` and `tool_calls` of a request's events; all else about them stays."""
		frappe.db.sql(
			f"UPDATE `tab{EVENT}` SET text = '',"
			" payload = JSON_REPLACE(payload, '$.arguments', '', '$.tool_calls', JSON_ARRAY()) WHERE request = %s",
			(name,),
		)

	def reset_if_unreachable(self, error: Exception) -> bool:
		"""Whether an error of the database says that it cannot be reached, or not just now.

		The connection is given up then with all that was begun on it, and the next call makes another.
		"""
		# What every driver raises on a connection that is closed, what Frappe makes of a lock that was waited for in vain,
		# and MariaDB's own numbers.
		if not (
			type(error).__name__ == "InterfaceError"
			or isinstance(error, frappe.QueryDeadlockError | frappe.QueryTimeoutError)
			or (type(error).__name__ == "OperationalError" and error.args[:1] and error.args[0] in AWAY)
		):
			return False
		with suppress(Exception):
			frappe.db.close()
		return True


def _wait_for_lock(name: str) -> None:
	"""Holds the AI Lock of that name until the transaction ends. Raises QueryTimeoutError after LOCK_WAIT_S seconds.

	One statement makes the row where it is missing and locks it where it is there: reading it first would lock the gap
	that two who find none then both insert into, which is a deadlock.
	"""
	frappe.db.sql(
		f"SET STATEMENT innodb_lock_wait_timeout = {LOCK_WAIT_S} FOR"
		f" INSERT INTO `tab{LOCK}` (name, creation, modified, owner, modified_by)"
		" VALUES (%(name)s, %(now)s, %(now)s, 'Administrator', 'Administrator')"
		" ON DUPLICATE KEY UPDATE name = VALUES(name)",
		{"name": name, "now": frappe.utils.now()},
	)


def _lock(name: str, statuses: tuple[str, ...]) -> bool:
	"""Locks a request's row until the commit; whether a cancel was asked for. Raises LeaseLost for another status."""
	found = frappe.db.sql(
		f"SELECT cancel_asked FROM `tab{REQUEST}` WHERE name = %s AND status IN %s FOR UPDATE",
		(name, statuses),
	)
	if not found:
		raise LeaseLost(name)
	return bool(found[0][0])


def _book(name: str, usage: Mapping[str, Any]) -> None:
	"""Adds what a request has used to the day's rows of its user and of all, in that order whoever books.

	Their names are hashes: two who make the same row at once meet in its primary key alone, which locks that row and
	no gap beside it; and a name that were made of the user's would fold case, and could be longer than a name may.
	"""
	((user,),) = frappe.db.sql(f"SELECT user FROM `tab{REQUEST}` WHERE name = %s", (name,))
	now, by = frappe.utils.now(), frappe.session.user
	counts = ("total_tokens", "cached_tokens", "cache_write_tokens", "cost_usd")
	day, used = now[:10], tuple(usage.get(name) or 0 for name in counts)
	rows = [
		(
			hashlib.sha256(f"{day} {account}".encode()).hexdigest()[:20],
			now,
			now,
			by,
			by,
			account,
			day,
			1,
			*used,
		)
		for account in (user, SITE)
	]
	frappe.db.sql(
		f"INSERT INTO `tab{USAGE}`"
		" (name, creation, modified, owner, modified_by, user, day, requests,"
		" tokens, cached_tokens, cache_write_tokens, cost_usd)"
		" VALUES %s, %s ON DUPLICATE KEY UPDATE modified = VALUES(modified), requests = requests + 1,"
		" tokens = tokens + VALUES(tokens), cached_tokens = cached_tokens + VALUES(cached_tokens),"
		" cache_write_tokens = cache_write_tokens + VALUES(cache_write_tokens), cost_usd = cost_usd + VALUES(cost_usd)",
		rows,
	)


def _requests(
	where: str, values: dict[str, Any], wanted: Sequence[str] = REQUEST_FIELDS, index: str = ""
) -> list[Row]:
	fields = ("name", *wanted)
	columns = ", ".join(f"`{field}`" for field in fields)
	rows = frappe.db.sql(f"SELECT {columns} FROM `tab{REQUEST}` {index} WHERE {where}", values)
	return [
		{
			field: json.loads(value) if field in JSON_FIELDS and value is not None else value
			for field, value in zip(fields, row, strict=True)
		}
		for row in rows
	]


def _columns(values: Mapping[str, Any]) -> dict[str, Any]:
	if unknown := values.keys() - set(REQUEST_FIELDS):
		raise ValueError(f"a request has no {', '.join(sorted(unknown))}")
	columns: dict[str, Any] = {}
	for field, value in values.items():
		if field in FIGURES:
			known = value or {}
			columns.update({column: known.get(key) for key, column in FIGURES[field].items()})
		if field == "timing" and value:
			firsts = (value["first_reasoning_ms"], value["first_text_ms"])
			columns["first_chunk_ms"] = min((first for first in firsts if first is not None), default=None)
		if field in JSON_FIELDS and value is not None:
			value = _json(value)
		elif field in CUT and value is not None:
			value = value[:COLUMN]
		columns[field] = value
	# Frappe's columns of numbers know no NULL.
	return {field: 0 if value is None and field in NUMBERS else value for field, value in columns.items()}


def _apart(columns: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
	"""The same with what is too long for a statement left empty, and that."""
	long = {field: value for field, value in columns.items() if isinstance(value, str) and len(value) > PIECE}
	return {**columns, **dict.fromkeys(long, "")}, long


def _write_long(name: str, long: dict[str, str]) -> None:
	for field, value in long.items():
		for start in range(0, len(value), PIECE):
			frappe.db.sql(
				f"UPDATE `tab{REQUEST}` SET `{field}` = CONCAT(`{field}`, %s) WHERE name = %s",
				(value[start : start + PIECE], name),
			)


def _insert(doctype: str, name: str, now: str, values: dict[str, Any]) -> None:
	user = frappe.session.user
	standard = {"name": name, "creation": now, "modified": now, "owner": user, "modified_by": user}
	row = standard | values
	columns, marks = ", ".join(f"`{column}`" for column in row), ", ".join(["%s"] * len(row))
	frappe.db.sql(f"INSERT INTO `tab{doctype}` ({columns}) VALUES ({marks})", tuple(row.values()))


def _json(value: Any) -> str:
	# Not escaped to ASCII: a lone surrogate shall be refused in here as it is in a plain column.
	return json.dumps(value, ensure_ascii=False)
