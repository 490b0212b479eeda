"""Stores, publishes and logs the events of a request. This is the only place that publishes them.

An event is a committed row before it is a message, so a client never sees what it could not read again. The message
goes to the room of the user. With a task_id as an argument Frappe would send it to `task_progress:<task_id>`, which
any socket may join, a guest's too (frappe/realtime.py, `publish_realtime`); so the ids are only in the message.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import InitVar, asdict, dataclass
from typing import Any

import frappe

from ai_assistant import store
from ai_assistant.gateway import (
	Chunk,
	Fallback,
	Reasoning,
	Text,
	ToolApproval,
	ToolCall,
	ToolCallDelta,
	ToolCallStart,
	ToolResult,
	ToolStep,
)
from ai_assistant.log import MARKS, fields, logger

from . import redis_health
from .batcher import Batch, Batcher
from .event import EVENT, STATUS, completion_of
from .outbox import Item, Outbox
from .transcript import KINDS, Transcript

HEARTBEAT_S = 3.0
# How often a client is told how far a call is that the provider writes.
CALLING_S = 0.9


@dataclass(eq=False)
class Publisher:
	"""The events of one request, from acceptance to completion. Only the thread of the request may use it.

	Args:
		name: the request's key in the store.
		user: who gets the events.
		task_id: the client's id of the task.
		request_id: the id of the request.
		max_delay_s: the most seconds that a delta waits in a batch.
		enabled: without it the publisher makes no events. It records the answer and finishes the row.
		keep_content: without it no text of the request stays in the store after its end.
		tools: whether the client sent tools. Without them the answer has no fields about tool calls.
		age_s: the seconds since the request was accepted.
		publishes: without it the events are stored and not published.
		stream_tool_calls: whether a tool call has events while the provider writes it.
		keeps_chunks: whether an event says where the chunks in its text end (`chunk_ends`).
	"""

	name: str
	user: str
	task_id: InitVar[str]
	request_id: InitVar[str]
	max_delay_s: InitVar[float]
	enabled: bool
	keep_content: bool
	tools: InitVar[bool] = False
	age_s: InitVar[float] = 0.0
	publishes: bool = True
	stream_tool_calls: bool = False
	keeps_chunks: bool = False

	def __post_init__(
		self, task_id: str, request_id: str, max_delay_s: float, tools: bool, age_s: float
	) -> None:
		self.ids = {"task_id": task_id, "request_id": request_id}
		self.last_seq = 0
		self.failed = 0
		self.first_event_ms: int | None = None
		self.transcript = Transcript(tools, age_s)
		self._also: Callable[[], None] | None = None
		self._batcher = Batcher(max_delay_s)
		self._outbox = Outbox(self.name, self.user, request_id, self._deliver)
		self._last_sent = self._last_status = time.monotonic()
		# The step of a call of a tool of the site that goes on now.
		self._tool: ToolStep | None = None

	@classmethod
	def resume(
		cls,
		row: store.Row,
		events: list[store.Event],
		keep_content: bool,
		max_delay_s: float = 1.0,
		publishes: bool = True,
		stream_tool_calls: bool = False,
	) -> "Publisher":
		"""Makes the publisher of a stored request, which continues after its `events`. The class has the arguments."""
		publisher = cls(
			row["name"],
			row["user"],
			row["task_id"],
			row["request_id"],
			max_delay_s=max_delay_s,
			# A request without events was accepted while events were switched off.
			enabled=bool(events),
			keep_content=keep_content,
			tools=row.get("tool_calls") is not None,
			age_s=store.current().now() - row["created"],
			publishes=publishes,
			stream_tool_calls=stream_tool_calls,
		)
		publisher.transcript.restore(events)
		publisher.last_seq = events[-1]["seq"] if events else 0
		return publisher

	def accepted(self, asked_at: float | None = None) -> None:
		"""Sends event 1, which starts the thinking indicator, and commits the request's row with it.

		Args:
			asked_at: when the request reached this process, by `time.monotonic()`; None to measure nothing.
		"""
		self._emit([("reasoning", {"text": "", "partial": True})])
		if self.enabled and asked_at is not None:
			# Frappe's number columns have no NULL: 0 means that nothing was measured.
			self.first_event_ms = max(1, round((time.monotonic() - asked_at) * 1000))

	def forward(self, chunk: Chunk) -> None:
		"""Takes a chunk of the gateway and sends the batches that are due, or a heartbeat if nothing was sent lately."""
		now = time.monotonic()
		if isinstance(chunk, Reasoning | Text):
			self.transcript.add(chunk)
			self._send(*self._batcher.add(KINDS[type(chunk)], chunk.text, now))
		elif isinstance(chunk, ToolCallStart | ToolCallDelta):
			self._forward_call(chunk, now)
		elif isinstance(chunk, ToolCall):
			self.transcript.add(chunk)
			# The text before the call leaves before it.
			self._send(*self._batcher.flush(), chunk)
		elif isinstance(chunk, ToolStep):
			self._forward_tool(chunk)
		else:
			self._send(*self._batcher.due(now))
			if isinstance(chunk, Fallback):
				failed = chunk.failed
				self.status("fallback", failed=failed.provider, error=failed.error, provider=chunk.provider)
			elif now - self._last_sent >= HEARTBEAT_S:
				self._heartbeat()

	def _forward_call(self, chunk: ToolCallStart | ToolCallDelta, now: float) -> None:
		"""Takes a part of a call that the provider writes. A client that did not ask for its events gets a status."""
		self.transcript.add(chunk)
		if not self.stream_tool_calls:
			self._send(*self._batcher.due(now))
		elif isinstance(chunk, ToolCallStart):
			self._send(*self._batcher.flush(), chunk)
		else:
			self._send(*self._batcher.add("tool_call_delta", chunk.text, now, chunk.id))
		if isinstance(chunk, ToolCallStart) or now - self._last_status >= CALLING_S:
			self._heartbeat()

	def _forward_tool(self, chunk: ToolStep) -> None:
		"""Takes a step of a call of a tool of the site. The start of a run is a status only."""
		self.transcript.add(chunk)
		self._tool = None if isinstance(chunk, ToolResult) else chunk
		self._send(*self._batcher.flush(), *([chunk] if isinstance(chunk, ToolApproval | ToolResult) else []))
		if self._tool:
			self._heartbeat()

	def _heartbeat(self) -> None:
		if self._tool:
			phase = "approval" if isinstance(self._tool, ToolApproval) else "tool"
			self.status(phase, **asdict(self._tool))
		elif calling := self.transcript.calling:
			name, characters = calling
			self.status("calling", name=name, characters=characters)
		else:
			self.status("answering" if self.transcript.answering else "thinking")

	def wait_s(self) -> float:
		"""Returns the seconds until a batch, a retry or a heartbeat is due, if no chunk comes."""
		now = time.monotonic()
		heartbeat = max(0.0, self._last_sent + HEARTBEAT_S - now)
		retry = self._outbox.retry_in()
		due = self._batcher.due_in(now) if retry is None else retry
		return heartbeat if due is None else min(due, heartbeat)

	def gathers(self) -> bool:
		"""Returns whether a batch is being gathered, so that more deltas of its kind can wait until it is due."""
		return self._batcher.gathers

	def row(self, outcome: dict[str, Any]) -> dict[str, Any]:
		"""Ends the calls that are not whole, and builds the values of the finished request.

		Args:
			outcome: `status`, `finish_reason`, `provider`, `model`, `usage`, `attempts`, `error`, and
				`continuation`, `sources` and `images` if there are any.

		Returns:
			The outcome with the content of the answer and with what was measured.
		"""
		cut = self.transcript.cut()
		if self.enabled:
			self._outbox.add([*self._batcher.flush(), *cut])
		return {
			**outcome,
			"response": self.transcript.text,
			"reasoning": self.transcript.reasoning,
			"tool_calls": self.transcript.calls,
			"tool_runs": self.transcript.runs or None,
			"timing": self.transcript.timing(),
			"realtime": {"events": self.last_seq, "failed": self.failed, "last_seq": self.last_seq},
			"first_event_ms": self.first_event_ms,
		}

	def complete(self, row: dict[str, Any], also: Callable[[], None] | None = None) -> None:
		"""Sends what still waits and then the completion, and finishes the request's row in the same transaction.

		Args:
			row: what `row()` gave. Its `realtime` is updated, so that it counts the completion.
			also: writes more in that transaction. It is called again if the transaction fails.

		Raises:
			store.LeaseLost: somebody else has ended the request.
			store.StoreUnavailable: the store stayed unavailable for `outbox.GIVE_UP_S` seconds.
		"""
		event = completion_of(row)
		self._also = also
		self._outbox.send_until_done(lambda: self._emit([("completion", event)], row))

	def status(self, phase: str, **more: Any) -> None:
		"""Sends an `ai_status`, unless the publisher is not enabled or does not publish.

		It has the number of the last event, so that a client notices that it has not received that event.
		"""
		self._last_sent = self._last_status = time.monotonic()
		if self.enabled and self.publishes:
			elapsed_ms = self.transcript.elapsed_ms()
			send_status(self.user, self.ids, phase, elapsed_ms, last_seq=self.last_seq, **more)

	def _send(self, *items: Item) -> None:
		if self.enabled:
			self._outbox.add(items)
			self._outbox.send()

	def _deliver(self, items: Sequence[Item]) -> None:
		self._emit([self._event_of(item) for item in items])

	def _event_of(self, item: Item) -> tuple[str, dict[str, Any]]:
		"""Returns the type of an item's event, and the values of that type."""
		if isinstance(item, Batch):
			more: dict[str, Any] = {"id": item.call_id} if item.call_id else {}
			if self.keeps_chunks and item.ends is not None:
				more["chunk_ends"] = item.ends
			return item.kind, {"text": item.text, "partial": True, **more}
		values = {name: value for name, value in asdict(item).items() if value is not None}
		return KINDS[type(item)], {"text": "", "partial": True, **values}

	def _emit(self, parts: Sequence[tuple[str, dict[str, Any]]], row: dict[str, Any] | None = None) -> None:
		"""Stores the next events and finishes the `row` with them, then publishes and logs each event."""
		if not self.enabled:
			with store.transaction():
				self._finish(row, 0, 0)
			return
		events = self._outbox.unsure or [self._numbered(*part, after) for after, part in enumerate(parts)]
		reason = redis_health.why_not() if self.publishes else None
		last_seq, failed = events[-1]["seq"], self.failed + (len(events) if reason else 0)
		self._outbox.store_events(events, lambda: self._finish(row, last_seq, failed))
		# Events whose transaction failed leave their numbers to the next attempt.
		self.last_seq, self.failed = last_seq, failed
		self._last_sent = time.monotonic()
		for event in events if self.publishes else ():
			why_not = reason or _publish(EVENT, event, self.user)
			self.failed += reason is None and why_not is not None
			self._log(event, why_not)

	def _numbered(self, kind: str, values: dict[str, Any], after: int) -> store.Event:
		"""Returns the event that follows the last one and `after` others."""
		return {
			"type": kind,
			**values,
			**self.ids,
			"seq": self.last_seq + 1 + after,
			"elapsed_ms": self.transcript.elapsed_ms(),
			"timestamp": frappe.utils.now(),
		}

	def _finish(self, row: dict[str, Any] | None, last_seq: int, failed: int) -> None:
		if row is None:
			return
		row["realtime"] = {"events": last_seq, "failed": failed, "last_seq": last_seq}
		if self.keep_content:
			store.current().finish(self.name, row)
		else:
			calls: list[Any] | None = None if row["tool_calls"] is None else []
			error = row["error"] and {
				name: row["error"][name] for name in row["error"] if name != "explanation"
			}
			emptied = {**dict.fromkeys(store.CONTENT_FIELDS), "tool_calls": calls, "error": error}
			store.current().finish(self.name, {**row, **emptied})
			store.current().forget(self.name)
		if self._also:
			self._also()

	def _log(self, event: store.Event, reason: str | None) -> None:
		kind = event["type"]
		shown = fields(task=event["task_id"], request=event["request_id"], seq=event["seq"], user=self.user)
		if reason:
			logger().warning(f"[WebSocket] ❌ {kind} not emitted: {reason} {shown}")
			return
		characters = len(event["arguments" if kind == "tool_call" else "text"])
		size = "" if kind == "completion" else f": {characters} chars"
		logger().info(f"[WebSocket] {MARKS[kind]} emitted{size} {shown}")


def send_status(user: str, ids: dict[str, str], phase: str, elapsed_ms: int, **more: Any) -> None:
	"""Sends an `ai_status`. It is neither stored nor numbered, and a client may miss it.

	Args:
		user: who gets it.
		ids: `task_id` and `request_id`.
		phase: `queued`, `thinking`, `answering`, `calling`, `tool`, `approval` or `fallback`.
		elapsed_ms: the milliseconds since the request was accepted.
		more: further fields of the message.
	"""
	if redis_health.why_not() is None:
		_publish(STATUS, {**ids, "phase": phase, "elapsed_ms": elapsed_ms, **more}, user)
	logger().debug(f"[WebSocket] status {phase} {fields(request=ids['request_id'], user=user)}")


def _publish(event: str, message: dict[str, Any], user: str) -> str | None:
	"""Publishes at once, within a bounded time. Returns why the message was not sent; None if Frappe got it."""
	try:
		with redis_health.bounded():
			frappe.publish_realtime(event, message, user=user)
	except Exception as error:
		return type(error).__name__
	return None
