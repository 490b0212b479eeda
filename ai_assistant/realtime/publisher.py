"""The one place that publishes: each event is stored, handed to Frappe, committed, logged, in that order.

`publish_realtime(after_commit=True)` holds the message back until the commit, so the commit both makes the
event durable and lets it go: a client never sees what could not be read back. The message goes to the room of
the user alone. Given a task_id as well, Frappe would send it to `task_progress:<task_id>`, which any socket may
join, a guest's too (frappe/realtime.py, `publish_realtime`); so the ids are in the message only.
"""

import hashlib
import json
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import frappe

from ai_assistant import store
from ai_assistant.gateway import Chunk, Fallback, Reasoning, Text, ToolCall
from ai_assistant.log import MARKS, fields, logger

from . import redis_health
from .batcher import Batch, Batcher
from .event import EVENT, STATUS, as_called, calls_in

HEARTBEAT_S = 3.0
# How often a store that is away is tried, and how long a completion waits for it: as long as the request's lease
# keeps others from ending it (ai_assistant.chat.lifecycle).
RETRY_S = 0.25
AWAY_S = 20.0


class Publisher:
	"""One request's events, from acceptance to completion. It belongs to the request's thread."""

	def __init__(
		self,
		name: str,
		user: str,
		task_id: str,
		request_id: str,
		max_delay_s: float,
		enabled: bool,
		keep_content: bool,
		tools: bool = False,
	) -> None:
		"""`name` is the request's key in the store; `elapsed_ms` counts from this call.

		One that is not `enabled` makes no events at all; it gathers the answer and finishes the row. One that
		does not `keep_content` leaves none of it in the store once the request has ended. Without `tools` the
		answer says nothing of calls.
		"""
		self.name = name
		self.user = user
		self.enabled = enabled
		self.keep_content = keep_content
		self.ids = {"task_id": task_id, "request_id": request_id}
		self.last_seq = 0
		self.failed = 0
		self.first_event_ms: int | None = None
		self._started = time.monotonic()
		self._spoke = self._started
		self._first_ms: dict[str, int] = {}
		self._said: dict[str, list[str]] = {"reasoning": [], "text": []}
		self._calls: list[dict[str, Any]] | None = [] if tools else None
		self._batcher = Batcher(max_delay_s)
		# What waits for the store: while it is away nothing is lost and the stream goes on.
		self._outbox: deque[Batch | ToolCall] = deque()
		# The event of which it is not known whether it was stored.
		self._unsure: store.Event | None = None
		self._retry_at: float | None = None

	@classmethod
	def after(
		cls,
		row: dict[str, Any],
		events: list[dict[str, Any]],
		keep_content: bool,
		max_delay_s: float = 1.0,
	) -> "Publisher":
		"""One that goes on where the `events` of a stored request end."""
		ids = (row["name"], row["user"], row["task_id"], row["request_id"])
		# A request without events is one of the emergency brake's.
		found = cls(
			*ids,
			max_delay_s=max_delay_s,
			enabled=bool(events),
			keep_content=keep_content,
			tools=row.get("tool_calls") is not None,
		)
		found._started -= store.current().now() - row["created"]
		for event in events:
			kind, text = event["type"], event["text"]
			if kind == "tool_call" or text:
				found._first_ms.setdefault(kind, event["elapsed_ms"])
			if kind in found._said:
				found._said[kind].append(text)
			found.last_seq = event["seq"]
		if calls := calls_in(events):
			found._calls = calls
		return found

	def accepted(self, asked_at: float | None = None) -> None:
		"""Event 1: the thinking indicator starts, whatever the provider does. Commits the request's row with it.

		`asked_at` is when the request had reached this process (`time.monotonic()`), where somebody measures.
		"""
		self._emit("reasoning", {"text": "", "partial": True})
		if self.enabled and asked_at is not None:
			# Frappe's columns know no NULL: there 0 is that nothing was measured.
			self.first_event_ms = max(1, round((time.monotonic() - asked_at) * 1000))

	def forward(self, chunk: Chunk) -> None:
		"""Takes what the gateway yields: deltas leave when their batch is due, silence lets one that waits go."""
		now = time.monotonic()
		if isinstance(chunk, Reasoning | Text):
			kind = "reasoning" if isinstance(chunk, Reasoning) else "text"
			self._first_ms.setdefault(kind, self._elapsed_ms())
			self._said[kind].append(chunk.text)
			self._send(self._batcher.add(kind, chunk.text, now))
			return
		if isinstance(chunk, ToolCall):
			self._first_ms.setdefault("tool_call", self._elapsed_ms())
			self._calls = [*(self._calls or []), as_called(asdict(chunk))]
			# What was said before it is read before it.
			self._send([*self._batcher.flush(), chunk])
			return
		self._send(self._batcher.due(now))
		if isinstance(chunk, Fallback):
			self.status(
				"fallback", failed=chunk.failed.provider, error=chunk.failed.error, provider=chunk.provider
			)
		elif now - self._spoke >= HEARTBEAT_S:
			self.status("answering" if "text" in self._first_ms else "thinking")

	def patience(self) -> float:
		"""Seconds until there is something to do without a chunk: a batch is due, or a heartbeat."""
		now = time.monotonic()
		heartbeat = max(0.0, self._spoke + HEARTBEAT_S - now)
		due = self._batcher.due_in(now) if self._retry_at is None else max(0.0, self._retry_at - now)
		return heartbeat if due is None else min(due, heartbeat)

	def gathers(self) -> bool:
		"""Whether more of what came last can wait until `patience()` is over: it would only be gathered here."""
		return self._batcher.gathers

	def row(self, outcome: dict[str, Any]) -> dict[str, Any]:
		"""The values of the finished request: its `outcome` with what was said, and with what was measured.

		`outcome` has `status`, `finish_reason`, `provider`, `model`, `usage`, `attempts`, `error`, and `continuation`
		where there is one. What was said is `response`, `reasoning` and `tool_calls`.
		"""
		realtime = {"events": self.last_seq, "failed": self.failed, "last_seq": self.last_seq}
		said = {
			"response": self.said("text"),
			"reasoning": self.said("reasoning"),
			"tool_calls": self._calls,
		}
		measured = {"timing": self.timing(), "realtime": realtime, "first_event_ms": self.first_event_ms}
		return {**outcome, **said, **measured}

	def complete(self, row: dict[str, Any]) -> None:
		"""Sends what still waits and then the completion; the request's row is finished in the same commit.

		`row` is what `row()` gave; its `realtime` counts the completion afterwards. A store that is away is waited
		for. Raises store.LeaseLost where somebody else has ended the request, store.StoreUnavailable after AWAY_S seconds.
		"""
		self._outbox += self._batcher.flush()
		shown = ("status", "finish_reason", "provider", "model", "usage", "timing")
		event = {
			"text": "",
			"partial": False,
			**{name: row[name] for name in shown},
			"reasoning_length": len(row["reasoning"]),
			"text_length": len(row["response"]),
			"text_sha256": hashlib.sha256(row["response"].encode()).hexdigest(),
			**({} if row["tool_calls"] is None else {"tool_calls": row["tool_calls"]}),
			**({"error": row["error"]} if row["error"] else {}),
		}
		until = time.monotonic() + AWAY_S
		while True:
			try:
				self._drain()
				return self._emit("completion", event, row)
			except store.StoreUnavailable as away:
				self._put_off(away)
				if time.monotonic() > until:
					raise
				time.sleep(RETRY_S)

	def said(self, kind: str) -> str:
		return "".join(self._said[kind])

	def said_bytes(self) -> tuple[int, int]:
		"""The length in UTF-8 of the reasoning, and of the text with the calls."""
		calls = json.dumps(self._calls, ensure_ascii=False) if self._calls else ""
		return len(self.said("reasoning").encode()), len((self.said("text") + calls).encode())

	@property
	def begun(self) -> bool:
		"""Whether anything of an answer has come."""
		return bool(self._first_ms)

	def timing(self) -> dict[str, int | None]:
		"""Milliseconds since acceptance, None for what never came."""
		reasoning, text = self._first_ms.get("reasoning"), self._first_ms.get("text")
		duration = self._elapsed_ms()
		# A call ends the thinking as the first word does.
		ends = [self._first_ms[kind] for kind in ("text", "tool_call") if kind in self._first_ms]
		return {
			"first_reasoning_ms": reasoning,
			"first_text_ms": text,
			"thinking_ms": None if reasoning is None else max(0, min(ends, default=duration) - reasoning),
			"duration_ms": duration,
		}

	def _send(self, ready: Sequence[Batch | ToolCall]) -> None:
		if not self.enabled:
			return
		self._outbox += ready
		if self._retry_at is not None and time.monotonic() < self._retry_at:
			return
		try:
			self._drain()
		except store.StoreUnavailable as away:
			self._put_off(away)

	def _drain(self) -> None:
		# What is sent leaves the outbox once it is stored: what the store refused is sent with what comes next.
		while self._outbox:
			ready = self._outbox[0]
			if isinstance(ready, ToolCall):
				call = {name: value for name, value in asdict(ready).items() if value is not None}
				self._emit("tool_call", {"text": "", "partial": True, **call})
			else:
				self._emit(ready.kind, {"text": ready.text, "partial": True})
			self._outbox.popleft()

	def _put_off(self, away: store.StoreUnavailable) -> None:
		if self._retry_at is None:
			logger().warning(f"[Store] away: {away} {fields(request=self.ids['request_id'], user=self.user)}")
		self._retry_at = time.monotonic() + RETRY_S

	def _emit(self, kind: str, fields_of_kind: dict[str, Any], row: dict[str, Any] | None = None) -> None:
		if not self.enabled:
			with store.transaction():
				self._finish(row, 0, 0)
			return
		seq = self.last_seq + 1
		attempted = self._unsure is not None
		self._unsure = event = self._unsure or {
			"type": kind,
			**fields_of_kind,
			**self.ids,
			"seq": seq,
			"elapsed_ms": self._elapsed_ms(),
			"timestamp": frappe.utils.now(),
		}
		reason = redis_health.why_not()
		failed = self.failed + (reason is not None)
		with redis_health.bounded(), store.transaction() as kept:
			if not (attempted and self._is_kept(event)):
				kept.append(self.name, event)
				self._finish(row, seq, failed)
			if reason is None:
				frappe.publish_realtime(EVENT, event, user=self.user, after_commit=True)
		# Only now is it true: a number whose event was not stored is given to the next.
		self.last_seq, self.failed = seq, failed
		self._unsure = self._retry_at = None
		self._spoke = time.monotonic()
		self._log(kind, len(event["arguments" if kind == "tool_call" else "text"]), seq, reason)

	def _is_kept(self, event: store.Event) -> bool:
		"""Whether an attempt to store the event, which broke off, has stored it. Raises store.LeaseLost."""
		found = store.current().events(self.name, event["seq"] - 1)
		if found and found[0]["timestamp"] != event["timestamp"]:
			raise store.LeaseLost(self.name)
		return bool(found)

	def _finish(self, row: dict[str, Any] | None, last_seq: int, failed: int) -> None:
		if row is not None:
			row["realtime"] = {"events": last_seq, "failed": failed, "last_seq": last_seq}
			if self.keep_content:
				store.current().finish(self.name, row)
				return
			nothing = {"excerpt": None, "response": None, "reasoning": None, "continuation": None}
			calls: list[Any] | None = None if row["tool_calls"] is None else []
			store.current().finish(self.name, {**row, **nothing, "tool_calls": calls})
			store.current().forget(self.name)

	def _log(self, kind: str, characters: int, seq: int, reason: str | None) -> None:
		ids = {"task": self.ids["task_id"], "request": self.ids["request_id"], "seq": seq, "user": self.user}
		if reason:
			logger().warning(f"[WebSocket] ❌ {kind} not emitted: {reason} {fields(**ids)}")
			return
		size = "" if kind == "completion" else f": {characters} chars"
		logger().info(f"[WebSocket] {MARKS[kind]} emitted{size} {fields(**ids)}")

	def status(self, phase: str, **more: Any) -> None:
		"""Sends an `ai_status`, unless this publisher is off."""
		self._spoke = time.monotonic()
		if self.enabled:
			send_status(self.user, self.ids, phase, self._elapsed_ms(), **more)

	def _elapsed_ms(self) -> int:
		return round((time.monotonic() - self._started) * 1000)


def send_status(user: str, ids: dict[str, str], phase: str, elapsed_ms: int, **more: Any) -> None:
	"""An `ai_status`: neither stored nor numbered, so it needs no commit, and nobody misses a lost one."""
	if redis_health.why_not() is None:
		message = {**ids, "phase": phase, "elapsed_ms": elapsed_ms, **more}
		frappe.publish_realtime(STATUS, message, user=user)
	logger().debug(f"[WebSocket] status {phase} {fields(request=ids['request_id'], user=user)}")
