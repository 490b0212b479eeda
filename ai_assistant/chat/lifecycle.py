"""One request from acceptance to result: its row, its events, its end."""

import math
import threading
import time
from collections.abc import Callable, Generator, Iterable
from dataclasses import asdict
from typing import Any

import frappe
from frappe import _

from ai_assistant import store
from ai_assistant.config.settings import Limits, Settings, load
from ai_assistant.gateway import Cancel, Chunk, Completion, Gateway, ProviderError
from ai_assistant.log import fails_quietly, fields, logger
from ai_assistant.realtime import redis_health
from ai_assistant.realtime.event import calls_in
from ai_assistant.realtime.publisher import Publisher

from . import budgets
from .errors import BUSY_S, ChatError, internal_error, invalid, provider_failure
from .request import ChatRequest, request_id_of, task_id_of

Lost = store.Lost

# A process that has not renewed its lease for this long is taken for dead. Long enough for a database that
# restarts, short enough for somebody who waits.
LEASE_S = 20.0
RENEW_S = 1.0
MINUTE_S = 60.0
# An answer that is this much longer than its tokens allow is one of a provider that does not count them.
CHARS_A_TOKEN, LEEWAY_CHARS = 20, 4096

# The requests that run in this process, by site, user and request id. Their own threads add and remove them;
# a thread that answers cancel() looks one up.
_running: dict[tuple[str, str, str], "Chat"] = {}
_lock = threading.Lock()


class Chat:
	"""A request that runs in this process: what asks, what publishes, and how it ends."""

	def __init__(self, request: ChatRequest, settings: Settings, publisher: Publisher) -> None:
		self.request = request
		self.settings = settings
		self.publisher = publisher
		self.user = publisher.user
		self.cancel = Cancel()
		self.abandoned = False
		self._renew_at = time.monotonic() + RENEW_S
		self.gateway = Gateway(settings.providers, settings.timeouts, _max_chars(request, settings.limits))

	@property
	def question(self) -> dict[str, Any]:
		"""What to ask, as the arguments of the gateway."""
		request = self.request
		return {
			"messages": request.messages,
			"preferred_provider": request.provider,
			"model": request.model,
			"temperature": request.temperature,
			"max_tokens": request.max_tokens,
			"reasoning_effort": request.reasoning_effort,
			"tools": request.tools,
			"tool_choice": request.tool_choice,
			"cancel": self.cancel,
		}

	def patience(self) -> float:
		"""Seconds until there is something to do without a chunk: for the publisher, or for the lease."""
		return max(0.0, min(self.publisher.patience(), self._renew_at - time.monotonic()))

	def keep(self) -> None:
		"""Renews the lease, at most once a second, and hears of a cancel that another process was asked for.

		Raises store.Lost where the request has been ended meanwhile.
		"""
		now = time.monotonic()
		if now < self._renew_at:
			return
		self._renew_at = now + RENEW_S
		try:
			with store.transaction() as kept:
				asked = kept.renew(self.publisher.name, kept.now() + LEASE_S)
		except store.Away:
			# The lease outlasts a restart of the database.
			return
		if asked:
			self.cancel()

	def completed(self, completion: Completion) -> dict[str, Any]:
		"""Ends the request with the provider's completion; gives the answer object."""
		if completion.dropped:
			about = fields(request=self.request.request_id, model=completion.model)
			logger().info(f"[Gateway] dropped {', '.join(completion.dropped)}: the model takes none {about}")
		status, finish_reason, error = "completed", completion.finish_reason, None
		if finish_reason == "cancelled":
			status = "cancelled"
			if self.abandoned:
				status, finish_reason, error = "failed", "error", _worker_lost()
		counted = completion.usage if completion.usage and completion.usage.total_tokens else None
		return self._end(
			status=status,
			finish_reason=finish_reason,
			provider=completion.provider,
			model=completion.model,
			usage=asdict(counted) if counted else self._estimate(completion.provider, completion.model),
			attempts=[asdict(attempt) for attempt in completion.attempts],
			error=error,
			continuation=completion.continuation if self.request.tools else None,
		)

	def failed(self, error: Exception) -> dict[str, Any]:
		"""Ends the request with what went wrong; what had arrived is kept and given all the same."""
		attempts = [asdict(attempt) for attempt in error.attempts] if isinstance(error, ProviderError) else []
		if isinstance(error, ProviderError):
			failure = provider_failure(error, self.request.background)
		else:
			logger().exception(f"[Chat] failed {fields(request=self.request.request_id, user=self.user)}")
			failure = internal_error()
		# Where all failed, the error is that of the first; the completion names the one it is about.
		told = error.values.get("provider") if isinstance(error, ProviderError) else None
		last = next((each for each in attempts if each["provider"] == told), {})
		return self._end(
			status="failed",
			finish_reason="error",
			provider=last.get("provider"),
			model=last.get("model"),
			usage=self._estimate(last.get("provider"), last.get("model")) if self.publisher.begun else None,
			attempts=attempts,
			error=failure,
		)

	def lost(self) -> dict[str, Any]:
		"""The answer as another process has ended it."""
		row = store.current().get(self.user, self.request.request_id)
		if row is None:
			raise ChatError("not_found", _("The request was deleted while it ran."))
		return answer(row)

	def _estimate(self, provider: str | None, model: str | None) -> dict[str, Any]:
		asked = self.request
		return _estimate(
			self.gateway, self.publisher, provider or asked.provider, model or asked.model, asked.prompt_bytes
		)

	def _end(self, **outcome: Any) -> dict[str, Any]:
		row = self.publisher.row(outcome)
		try:
			self.publisher.complete(row)
		except store.Lost:
			return self.lost()
		except Exception:
			# The store is out of reach: what was asked for is told all the same. The lease runs out on the
			# row, and whoever finds it ends it with what is in the journal.
			logger().exception(f"[Chat] not stored {fields(request=self.request.request_id, user=self.user)}")
		ids = {"request_id": self.request.request_id, "task_id": self.request.task_id}
		return answer({**ids, **row})


def run(
	chat: Chat, survives: bool = False, patience: Callable[[], float] = lambda: math.inf
) -> Generator[Chunk, None, dict[str, Any]]:
	"""Runs an admitted request to its end.

	Publishes and stores each chunk of the gateway and keeps the lease, then yields the chunk. Exactly one completion
	ends the request, whatever happens.

	Args:
		survives: Whether closing the generator leaves the request running. It then runs to its end in `close()`.
			Otherwise `close()` cancels the request and closes the provider's connection.
		patience: Gives the seconds until the caller wants a chunk, if only a Silence.

	Returns:
		The answer object of the contract.
	"""
	closed = False
	chunks = chat.gateway.stream_generate(
		**chat.question,
		patience=lambda: min(chat.patience(), patience()),
		gathers=chat.publisher.gathers,
	)
	try:
		for chunk in chunks:
			chat.keep()
			if isinstance(chunk, Completion):
				return chat.completed(chunk)
			chat.publisher.forward(chunk)
			if not closed:
				try:
					yield chunk
				except GeneratorExit:
					closed = True
					if not survives:
						chat.cancel()
		raise AssertionError("the gateway ends with a Completion or an error")
	except Lost:
		# Another process has ended the request and written its completion.
		return chat.lost()
	except Exception as error:
		return chat.failed(error)


def admit(request: ChatRequest, settings: Settings, asked_at: float) -> Chat:
	"""Accepts a request that this process answers, and that reached it at `asked_at` (`time.monotonic()`).

	Raises ChatError `conflict` for a request_id already used, `rate_limited` and `busy` beyond the site's limits,
	`budget_exceeded` beyond its budgets.
	"""
	return hold(Chat(request, settings, accept(request, settings, "running", asked_at)))


def accept(request: ChatRequest, settings: Settings, status: str, asked_at: float) -> Publisher:
	"""Opens the request's row, `running` or `queued`, and commits it with event 1. Arguments and errors of `admit`."""
	user, kept = frappe.session.user, store.current()
	# Whoever stands in line behind this one shall not wait for a Redis that does not answer.
	redis_health.why_not()
	row = {
		"user": user,
		"request_id": request.request_id,
		"task_id": request.task_id,
		"mode": request.mode,
		"provider": request.provider,
		"model": request.model,
		"status": status,
		"fingerprint": request.fingerprint,
		"cancel_asked": 0,
		"tool_calls": [] if request.tools else None,
		"prompt_bytes": request.prompt_bytes,
		"excerpt": request.excerpt if settings.retention.keep_content else None,
	}
	try:
		now = kept.now()
		_let_in(kept.demand(user, now, now - MINUTE_S), settings.limits, status, now)
		budgets.check(user, settings.budgets)
		now = kept.now()
		row.update(created=now, lease=now + LEASE_S)
		name = kept.open(row, asdict(request) if status == "queued" else None)
	except (store.RequestExists, ChatError) as refused:
		# The next in line need not wait for the end of this HTTP request.
		frappe.db.rollback()
		raise _conflict(request) if isinstance(refused, store.RequestExists) else refused from None
	publisher = Publisher(
		name,
		user,
		request.task_id,
		request.request_id,
		max_delay_s=settings.realtime.max_delay_ms / 1000,
		enabled=settings.realtime.enabled,
		keep_content=settings.retention.keep_content,
		tools=request.tools is not None,
	)
	publisher.accepted(asked_at)
	return publisher


def _max_chars(request: ChatRequest, limits: Limits) -> int:
	"""The most characters of an answer: the site's limit, or what the `max_tokens` that were asked for can be."""
	if request.max_tokens is None:
		return limits.max_answer_chars
	return min(limits.max_answer_chars, LEEWAY_CHARS + CHARS_A_TOKEN * request.max_tokens)


def _let_in(demand: store.Demand, limits: Limits, status: str, now: float) -> None:
	"""Raises ChatError `rate_limited` or `busy` where one more would be too many.

	A queued request counts to its user's, which bounds the queue; to the site's it counts once a worker runs it.
	"""
	if len(demand.recent) >= limits.requests_per_minute:
		# Let in again once fewer than the limit are a minute old.
		until = demand.recent[-limits.requests_per_minute] + MINUTE_S
		seconds = max(1, math.ceil(until - now))
		message = _("You may ask {0} times a minute; ask again in {1} seconds.")
		raise ChatError("rate_limited", message.format(limits.requests_per_minute, seconds), seconds)
	if demand.own >= limits.concurrent_per_user:
		message = _(
			"You may have {0} chats at once, queued ones included; wait for one to end, or cancel it."
		)
		raise ChatError("busy", message.format(limits.concurrent_per_user), BUSY_S)
	if status == "running" and demand.running >= limits.concurrent_per_site:
		message = _("The site answers {0} chats at once, and has as many; ask again in a moment.")
		raise ChatError("busy", message.format(limits.concurrent_per_site), BUSY_S)


def hold(chat: Chat) -> Chat:
	"""Lets a cancel find the chat, until `release`."""
	with _lock:
		_running[_key(chat.user, chat.request.request_id)] = chat
	return chat


def earlier(request: ChatRequest) -> dict[str, Any] | None:
	"""The answer to the same request of this user, if it was sent before and has ended.

	Raises ChatError `conflict` until it has ended, and where the request_id was used for another request.
	"""
	row = same(request)
	if row and row["status"] in store.UNENDED:
		raise _conflict(request)
	return row and answer(row)


def same(request: ChatRequest) -> dict[str, Any] | None:
	"""The row of the same request of this user, if it was sent before.

	Raises ChatError `conflict` where the request_id was used for another request.
	"""
	row = store.current().get(frappe.session.user, request.request_id)
	if row and row["fingerprint"] != request.fingerprint:
		raise _conflict(request)
	return row and settled(row)


def settled(row: dict[str, Any]) -> dict[str, Any]:
	"""The row as it is once a request whose process has died is ended; whoever asks first ends it."""
	if row["status"] != "running" or _is_here(row) or row["lease"] > store.current().now():
		return row
	end_lost(row)
	return store.current().get(row["user"], row["request_id"]) or row


@fails_quietly
def sweep() -> None:
	"""Ends all requests whose process has died. The scheduler does it every minute."""
	kept = store.current()
	for row in kept.lapsed(kept.now()):
		if not _is_here(row):
			# One that cannot be ended leaves the others no worse.
			fails_quietly(end_lost)(row)


def _is_here(row: dict[str, Any]) -> bool:
	"""Whether the request runs in this process, whatever the clock says of its lease."""
	with _lock:
		return _key(row["user"], row["request_id"]) in _running


def end_lost(row: dict[str, Any]) -> None:
	"""Ends a request for the process that died over it."""
	settings = load()
	end(row, "failed", _worker_lost(), settings.retention.keep_content, Gateway(settings.providers))


def _worker_lost() -> dict[str, Any]:
	message = _("The process that ran this request died; what had arrived is kept.")
	return {"code": "worker_lost", "message": message, "retryable": True}


def end(
	row: dict[str, Any],
	status: str,
	error: dict[str, Any] | None,
	keep_content: bool,
	asked: Gateway | None = None,
) -> None:
	"""Ends a request that runs nowhere, with its completion; exactly once, whoever tries too.

	Where a provider may have been `asked`, what that has used is estimated.
	"""
	publisher = Publisher.after(row, store.current().events(row["name"]), keep_content)
	usage = asked and _estimate(asked, publisher, row["provider"], row["model"], row["prompt_bytes"] or 0)
	outcome = {
		"status": status,
		"finish_reason": "error" if error else status,
		"provider": row["provider"],
		"model": row["model"],
		"usage": usage,
		"attempts": [],
		"error": error,
	}
	try:
		publisher.complete(publisher.row(outcome))
	except store.Lost:
		# Another was faster, or somebody runs it after all.
		pass


def _estimate(
	gateway: Gateway, publisher: Publisher, provider: str | None, model: str | None, prompt_bytes: int
) -> dict[str, Any]:
	return asdict(gateway.estimate(provider, model, prompt_bytes, *publisher.said_bytes()))


def _conflict(request: ChatRequest) -> ChatError:
	message = _("request_id {0} is running, or was used for another request; send another or none.")
	return ChatError("conflict", message.format(request.request_id))


def release(chat: Chat) -> None:
	"""The request runs no more in this process."""
	with _lock:
		_running.pop(_key(chat.user, chat.request.request_id), None)


def cancel(rows: Iterable[dict[str, Any]]) -> list[str]:
	"""Ends queued requests, and asks running ones to stop: at once in this process, within RENEW_S in any other.

	Gives their ids.
	"""
	rows = list(rows)
	with store.transaction() as kept:
		for row in rows:
			kept.ask_to_cancel(row["name"])
	if queued := [row for row in rows if row["status"] == "queued"]:
		keep_content = load().retention.keep_content
		for row in queued:
			# A worker that takes it at this moment loses it again at its next event.
			end(row, "cancelled", None, keep_content)
	with _lock:
		here = [_running.get(_key(row["user"], row["request_id"])) for row in rows]
	for chat in here:
		if chat:
			chat.cancel()
	return [row["request_id"] for row in rows]


def abandon(job_id: str | None = None) -> None:
	"""Ends the chats of this process as if it had died, but at once: all, or that of a job of Frappe's queue."""
	with _lock:
		here = [each for each in _running.values() if job_id is None or job_id.endswith(each.publisher.name)]
	for chat in here:
		chat.abandoned = True
		chat.cancel()


def _key(user: str, request_id: str) -> tuple[str, str, str]:
	# A bench serves many sites from one process.
	return (frappe.local.site, user, request_id)


def answer(row: dict[str, Any]) -> dict[str, Any]:
	"""The contract's answer object, from a request's row in whatever status."""
	status = row["status"]
	found = {
		"success": status != "failed",
		"status": status,
		"request_id": row["request_id"],
		"task_id": row["task_id"],
		"response": row.get("response") or "",
		"reasoning": row.get("reasoning") or "",
		"provider": row.get("provider"),
		"model": row.get("model"),
		"finish_reason": row.get("finish_reason"),
		"usage": row.get("usage"),
		"timing": row.get("timing"),
		"realtime": row.get("realtime"),
		"attempts": row.get("attempts") or [],
	}
	# One who sent no tools hears nothing of calls.
	if row.get("tool_calls") is not None:
		found["tool_calls"] = row["tool_calls"]
		found["continuation"] = row.get("continuation")
	if row.get("error"):
		found["error"] = row["error"]
	return found


def own(request_id: Any, task_id: Any = None) -> dict[str, Any]:
	"""The row of the user's own request, or of the newest of their task, ended where its process has died.

	Raises ChatError `not_found`, the same whether somebody else has such a request or nobody, and
	`invalid_request` for ids that can be none.
	"""
	by_request, by_task = request_id_of(request_id), task_id_of(task_id)
	user = frappe.session.user
	if by_request:
		row = store.current().get(user, by_request)
	elif by_task:
		row = next(iter(store.current().of_task(user, by_task, limit=1)), None)
	else:
		raise invalid("request_id or task_id is needed: the id that chat_completion answered.")
	if row is None:
		raise ChatError("not_found", _("There is no such request or task."))
	return settled(row)


def unended(request_id: Any, task_id: Any = None) -> list[dict[str, Any]]:
	"""The user's own request if it has not ended, or all such of their task. Raises as `own`."""
	row = own(request_id, task_id)
	rows = (
		[row]
		if request_id_of(request_id)
		else store.current().of_task(row["user"], row["task_id"], unended=True)
	)
	return [each for each in rows if each["status"] in store.UNENDED]


def answer_of(row: dict[str, Any]) -> dict[str, Any]:
	"""The answer object of a stored request; of one that has not ended, with what has arrived by now."""
	if row["status"] not in store.UNENDED:
		return answer(row)
	events = store.current().events(row["name"])
	said = {
		kind: "".join(event["text"] for event in events if event["type"] == kind)
		for kind in ("reasoning", "text")
	}
	last_seq = events[-1]["seq"] if events else 0
	realtime = {"events": last_seq, "failed": 0, "last_seq": last_seq}
	calls = calls_in(events) or row["tool_calls"]
	arrived = {"response": said["text"], "reasoning": said["reasoning"], "tool_calls": calls}
	return answer({**row, **arrived, "realtime": realtime})
