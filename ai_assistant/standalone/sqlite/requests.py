"""Requests and events in SQLite."""

import json
import secrets
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from ai_assistant.store import (
	CONTENT_FIELDS,
	LIVE_FIELDS,
	UNENDED,
	Event,
	LeaseLost,
	Load,
	RequestExists,
	Row,
)
from ai_assistant.store.requests import REQUEST_FIELDS, approval_decided, decision_in
from ai_assistant.store.serialization import to_columns, to_json

from .rows import marks
from .usage import SqliteUsage


class SqliteRequests(SqliteUsage):
	"""`ai_assistant.store.requests.Requests` on SQLite."""

	def open(
		self,
		row: Mapping[str, Any],
		question: Mapping[str, Any] | None = None,
		sent: Mapping[str, Any] | None = None,
	) -> str:
		name = secrets.token_hex(8)
		columns = {
			"name": name,
			"question": None if question is None else to_json(question),
			"sent": None if sent is None else to_json(sent),
			**to_columns(row),
		}
		try:
			self._database.write(
				f"INSERT INTO request ({', '.join(columns)}) VALUES ({marks(columns)})", [*columns.values()]
			)
		except sqlite3.IntegrityError as error:
			if "request.request_id" in str(error):
				raise RequestExists(row["request_id"]) from None
			raise
		return name

	def admission_load(self, user: str, window_s: float, nth: int, is_continuation: bool = False) -> Load:
		self._database.commit()
		self._database.begin(is_new=True)
		now = self.now()
		(counts,) = self._database.read(
			"SELECT COALESCE(SUM(user = :user), 0), COALESCE(SUM(status = 'running'), 0),"
			" (SELECT created FROM request WHERE user = :user AND created > :since"
			" AND COALESCE(is_continuation, 0) = :continues ORDER BY created DESC LIMIT 1 OFFSET :before)"
			" FROM request WHERE (status = 'queued' AND user = :user) OR (status = 'running' AND lease > :now)",
			{
				"user": user,
				"now": now,
				"since": now - window_s,
				"continues": int(is_continuation),
				"before": nth - 1,
			},
		)
		return Load(now, *counts)

	def start(self, name: str, lease: float) -> tuple[Row, dict[str, Any]]:
		self._update(name, {"status": "running", "lease": lease}, ("queued",))
		((question,),) = self._database.read("SELECT question FROM request WHERE name = ?", [name])
		return self._select("name = ?", [name])[0], json.loads(question)

	def detach(self, name: str, detached: Mapping[str, Any]) -> None:
		self._update(name, {"detached": dict(detached)}, ("running",))

	def requeue(self, name: str, now: float) -> None:
		if self._database.read("SELECT 1 FROM request WHERE name = ? AND lease > ?", [name, now]):
			raise LeaseLost(name)
		self._update(name, {"status": "queued", "lease": 0}, ("running",))

	def queued(self) -> list[Row]:
		return self._select("status = 'queued' ORDER BY created, rowid", [])

	def get(self, user: str, request_id: str) -> Row | None:
		rows = self._select("user = ? AND request_id = ?", [user, request_id])
		return rows[0] if rows else None

	def continuations(self, user: str, keys: Sequence[str]) -> dict[str, str]:
		rows = self._database.read(
			"SELECT call_key, continuation FROM request WHERE call_key IN (SELECT value FROM json_each(?))"
			" AND user = ? AND continuation IS NOT NULL ORDER BY created",
			[to_json(list(keys)), user],
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
		# Few requests have not ended, however many a task has had. The + keeps SQLite from the index of the task.
		where = "status IN (?, ?) AND +user = ? AND +task_id = ?" if unended else "user = ? AND task_id = ?"
		return self._select(
			f"{where} ORDER BY created DESC, rowid DESC LIMIT ?",
			[*(UNENDED if unended else ()), user, task_id, -1 if limit is None else limit],
			wanted,
		)

	def live(self, user: str | None, since: float, names: Sequence[str], limit: int) -> list[Row]:
		# Each part uses an index of its own. An OR would read the past requests of all users.
		own = "?1 IS NULL" if user is None else "user = ?1"
		return self._select(
			f"name IN (SELECT name FROM request WHERE status IN ('queued', 'running') AND {own.replace('user', '+user')}"
			f" UNION ALL SELECT name FROM (SELECT name FROM request WHERE {own} AND created > ?2"
			" ORDER BY created, rowid LIMIT ?4)"
			f" UNION ALL SELECT name FROM request WHERE name IN (SELECT value FROM json_each(?3)) AND {own.replace('user', '+user')})"
			" ORDER BY created, rowid LIMIT ?4",
			[user, since, to_json(list(names)), limit],
			LIVE_FIELDS,
		)

	def append(self, name: str, event: Event) -> None:
		try:
			self._database.write(
				"INSERT INTO event (request, seq, event) VALUES (?, ?, ?)",
				[name, event["seq"], to_json(event)],
			)
		except sqlite3.IntegrityError:
			raise LeaseLost(name) from None

	def events(self, name: str, after_seq: int = 0) -> list[Event]:
		rows = self._database.read(
			"SELECT event FROM event WHERE request = ? AND seq > ? ORDER BY seq", [name, after_seq]
		)
		return [json.loads(event) for (event,) in rows]

	def last_seq(self, name: str) -> int:
		((newest,),) = self._database.read("SELECT MAX(seq) FROM event WHERE request = ?", [name])
		return newest or 0

	def renew(self, name: str, lease: float) -> bool:
		self._update(name, {"lease": lease}, ("running",))
		((cancel_asked,),) = self._database.read("SELECT cancel_asked FROM request WHERE name = ?", [name])
		return bool(cancel_asked)

	def ask_to_cancel(self, name: str) -> None:
		self._database.write("UPDATE request SET cancel_asked = 1 WHERE name = ?", [name])

	def ask_approval(self, name: str, approval: str) -> None:
		self._update(name, {"approval": approval}, ("running",))

	def decide(self, name: str, approval: str, approved: bool) -> bool:
		return bool(
			self._database.write(
				"UPDATE request SET approval = ? WHERE name = ? AND status = 'running' AND approval = ?",
				[approval_decided(approval, approved), name, approval],
			)
		)

	def decision(self, name: str, approval: str) -> bool | None:
		rows = self._database.read("SELECT approval FROM request WHERE name = ?", [name])
		return decision_in(rows[0][0] if rows else None, approval)

	def lapsed(self, now: float) -> list[Row]:
		return self._select("status = 'running' AND lease < ?", [now])

	def finish(self, name: str, values: Mapping[str, Any]) -> None:
		self._update(name, {"ended": self.now(), **values}, UNENDED)
		((user, ai_key, has_question),) = self._database.read(
			"SELECT user, ai_key, question IS NOT NULL FROM request WHERE name = ?", [name]
		)
		if has_question:
			self._database.forget("UPDATE request SET question = NULL WHERE name = ?", [name])
		if usage := values.get("usage"):
			self._book(user, ai_key, usage)

	def sent(self, name: str) -> dict[str, Any] | None:
		((text,),) = self._database.read("SELECT sent FROM request WHERE name = ?", [name])
		return json.loads(text) if text else None

	def erase(self, name: str) -> None:
		empty = ", ".join(f"{field} = NULL" for field in CONTENT_FIELDS)
		self._database.forget(
			f"UPDATE request SET {empty}, error = json_remove(error, '$.explanation'),"
			" tool_calls = CASE WHEN tool_calls IS NULL THEN NULL ELSE '[]' END, sent = '{}' WHERE name = ?",
			[name],
		)
		self.forget(name)

	def forget(self, name: str) -> None:
		self._database.forget(
			"UPDATE event SET event = json_replace("
			"event, '$.text', '', '$.arguments', '', '$.tool_calls', json_array(), '$.sources', json_array(),"
			" '$.images', json_array(), '$.error.explanation', '') WHERE request = ?",
			[name],
		)

	def unended(self, now: float) -> dict[str, int]:
		((queued, running),) = self._database.read(
			"SELECT COALESCE(SUM(status = 'queued'), 0), COALESCE(SUM(status = 'running'), 0) FROM request"
			" WHERE status = 'queued' OR (status = 'running' AND lease > ?)",
			[now],
		)
		return {"queued": queued, "running": running}

	def _update(self, name: str, values: Mapping[str, Any], statuses: Sequence[str]) -> None:
		columns = to_columns(values)
		changes = ", ".join([f"{column} = ?" for column in columns])
		sql = f"UPDATE request SET {changes} WHERE name = ? AND status IN ({marks(statuses)})"
		if not self._database.write(sql, [*columns.values(), name, *statuses]):
			raise LeaseLost(name)
