"""Runs one request from acceptance to its end."""

import math
import time
from collections.abc import Callable, Generator
from dataclasses import asdict, replace
from typing import Any, TypeVar

import frappe

from ai_assistant import keys, store
from ai_assistant.config.settings import Settings
from ai_assistant.gateway import (
	Ask,
	Cancel,
	Chunk,
	Completion,
	Detached,
	Gateway,
	Pacing,
	ProviderError,
	cancel_detached,
	warm,
)
from ai_assistant.log import fields, logger
from ai_assistant.realtime.publisher import Publisher

from . import (
	admission,
	announcement,
	continuations,
	conversations,
	detached,
	other_apps,
	provider_health,
	reference,
	running,
	task_provider,
	tool_rounds,
	usage,
	webhooks,
)
from .answer import answer_of
from .errors import ChatError, deleted, internal_error, provider_failure, worker_lost
from .request import ChatRequest, most_answer_chars

# A process that has not renewed its lease for this long counts as dead. This is longer than a restart of the
# database takes, and short enough for a user who waits.
LEASE_S = 20.0
RENEW_S = 1.0
Result = TypeVar("Result")


class Chat:
	"""A request that runs in this process."""

	def __init__(self, request: ChatRequest, settings: Settings, publisher: Publisher) -> None:
		self.request = request
		self.settings = settings
		self.publisher = publisher
		self.trace = request.begin_trace()
		self.user = publisher.user
		self.key = keys.current()
		# The rounds before, if the model has called tools of the site.
		self.earlier: Completion | None = None
		self.cancel = Cancel()
		self.abandoned = False
		# It is part of the answer and is not stored.
		self.stop_sequence: str | None = None
		self.detached: Detached | None = request.attach_to
		self._renew_at = time.monotonic() + RENEW_S
		self.gateway = Gateway(
			settings.providers,
			settings.timeouts,
			most_answer_chars(request, settings.limits),
			provider_health.of_site() if settings.failover.cool_down else None,
			settings.failover.retries,
			f"{self.user} {request.task_id}",
			request.last_key,
			settings.failover.hedge_s,
		)

	def ask(self) -> Ask:
		"""Returns the question of the request as the gateway takes it."""
		question = {name: getattr(self.request, name) for name in Ask.__dataclass_fields__}
		question["cache_key"] = task_provider.cache_key(self.user, self.request.task_id)
		# Every client is told that a call is being written.
		question["report_tool_calls"] = True
		return Ask(**question)

	def wait_s(self) -> float:
		"""Returns the seconds until the publisher or the lease needs a turn, if no chunk comes."""
		return max(0.0, min(self.publisher.wait_s(), self._renew_at - time.monotonic()))

	def renew_lease(self) -> None:
		"""Renews the lease at most once in RENEW_S seconds, and takes over a cancel that another process received.

		Raises:
			store.LeaseLost: somebody else has ended the request.
		"""
		now = time.monotonic()
		if now < self._renew_at:
			return
		self._renew_at = now + RENEW_S
		try:
			with store.transaction() as current:
				cancel_asked = current.renew(self.publisher.name, current.now() + LEASE_S)
		except store.StoreUnavailable:
			# The lease outlasts a restart of the database.
			return
		if cancel_asked:
			self.cancel()

	def completed(self, completion: Completion) -> dict[str, Any]:
		"""Ends the request with the provider's completion.

		Returns:
			The answer object.
		"""
		usage.log_changes(self.request, completion)
		self.stop_sequence = completion.stop_sequence
		finish_reason, error = completion.finish_reason, None
		status = "cancelled" if finish_reason == "cancelled" else "completed"
		if status == "cancelled" and self.abandoned:
			if self.detached:
				return detached.hand_over(self)
			status, finish_reason, error = "failed", "error", worker_lost()
		used = usage.used(self, completion.usage, completion.provider, completion.model)
		return self._end(
			status=status,
			finish_reason=finish_reason,
			provider=completion.provider,
			key_label=completion.key or None,
			model=completion.model,
			usage=usage.booked(self, used, completion.hung_up_on),
			attempts=[attempt.as_dict() for attempt in completion.attempts],
			error=error,
			continuation=completion.continuation if self.request.tools or completion.compacted else None,
			sources=[asdict(source) for source in completion.sources] or None,
			images=[asdict(image) for image in completion.images] or None,
			dropped=[*completion.dropped, *self.request.unknown] or None,
			trimmed=completion.trimmed and asdict(completion.trimmed),
		)

	def failed(self, error: Exception) -> dict[str, Any]:
		"""Ends the request with a failure. The answer keeps the text that had arrived.

		Returns:
			The answer object.
		"""
		attempts: list[dict[str, str]] = []
		named: dict[str, str] = {}
		if isinstance(error, ProviderError):
			failure = provider_failure(error, self.request.background)
			attempts = [attempt.as_dict() for attempt in error.attempts]
			# If all providers failed, the error is that of the first. The completion names the provider of the error.
			provider = error.values.get("provider")
			named = next((attempt for attempt in attempts if attempt["provider"] == provider), {})
		else:
			logger().exception(f"[Chat] failed {fields(request=self.request.request_id, user=self.user)}")
			failure = internal_error()
		if self.request.attach_to:
			# The answer cannot be read any more.
			failure = worker_lost()
		provider, model = named.get("provider"), named.get("model")
		booked = None
		if self.publisher.transcript.begun:
			used = usage.used(self, None, provider, model)
			booked = usage.booked(self, used, getattr(error, "hung_up_on", None))
		return self._end(
			status="failed",
			finish_reason="error",
			provider=provider,
			model=model,
			usage=booked,
			attempts=attempts,
			error=failure,
		)

	def ended_elsewhere(self) -> dict[str, Any]:
		"""Returns the answer object of a request as it is stored. Another process has ended it, or will run it.

		Raises:
			ChatError: `not_found` if the request was deleted.
		"""
		row = store.current().get(self.user, self.request.request_id)
		if row is None:
			raise deleted()
		return answer_of(row)

	def _end(self, **outcome: Any) -> dict[str, Any]:
		if outcome["status"] != "completed" and self.detached:
			# Nobody waits for the provider's answer any more. The cancel is not waited for.
			cancel_detached(self.settings.providers, self.detached)
		row = self.publisher.row(outcome)
		if self.trace:
			self.trace.outcome(row["finish_reason"], row["error"] and row["error"]["code"])
		row["call_key"] = continuations.key_of(row["tool_calls"])
		if not self.publisher.keep_content:
			continuations.remember(self.user, row)
		told = webhooks.delivery_of(self.publisher.name, self.user, self._answer(row), self.settings.webhooks)
		try:
			self.publisher.complete(row, told)
		except store.LeaseLost:
			return self.ended_elsewhere()
		except Exception:
			# The store is unavailable. The client gets its answer all the same. The lease of the row runs out, and
			# the next reader ends the request with what the store has of it.
			logger().exception(f"[Chat] not stored {fields(request=self.request.request_id, user=self.user)}")
			return self._answer(row)
		answer = self._answer(row)
		announcement.announce(self.publisher.name, self.user, answer, self.settings)
		return answer

	def _answer(self, row: store.Row) -> dict[str, Any]:
		names = ("request_id", "task_id", "metadata", *reference.FIELDS)
		own = {name: getattr(self.request, name) for name in names}
		return answer_of({"stop_sequence": self.stop_sequence, **own, **row})


def run(
	chat: Chat,
	survives: bool = False,
	wait_s: Callable[[], float] = lambda: math.inf,
	once_asked: bool = False,
) -> Generator[Chunk, None, dict[str, Any]]:
	"""Runs an admitted request to its end.

	Keeps the lease and yields each chunk, then stores and publishes it. Exactly one completion ends the request.

	Args:
		chat: the chat that `begin` returned.
		survives: whether the request goes on when the generator is closed. It then runs to its end in `close()`.
			Otherwise `close()` cancels the request and closes the provider's connection.
		wait_s: gives the seconds until the caller wants a chunk, if only a Tick.
		once_asked: whether the caller also wants a Tick when the provider is asked.

	Returns:
		The answer object of the contract.
	"""
	closed = False
	pacing = Pacing(lambda: min(chat.wait_s(), wait_s()), chat.publisher.gathers, once_asked)
	try:
		for chunk in detached.followed(chat, tool_rounds.stream(chat, pacing)):
			chat.renew_lease()
			if isinstance(chunk, Completion):
				return chat.completed(chunk)
			if not closed:
				try:
					# A client of a standard API gets the chunk before it is stored.
					yield chunk
				except GeneratorExit:
					closed = True
					if not survives:
						chat.cancel()
			chat.publisher.forward(chunk)
		raise AssertionError("the gateway ends with a Completion or an error")
	except store.LeaseLost:
		# Another process has ended the request and written its completion.
		return chat.ended_elsewhere()
	except Exception as error:
		return chat.failed(error)
	finally:
		running.unregister(chat)
		if chat.trace:
			chat.trace.end()


def result_of(
	chunks: Generator[Chunk, None, Result], visit: Callable[[Chunk], object] | None = None
) -> Result:
	"""Runs a generator of chunks, such as `run`, and calls `visit` with each chunk. Returns the generator's result."""
	while True:
		try:
			chunk = next(chunks)
		except StopIteration as end:
			result: Result = end.value
			return result
		if visit:
			visit(chunk)


def begin(request: ChatRequest, settings: Settings, asked_at: float) -> Chat:
	"""Accepts and registers a request that this process answers. `accept` and `other_apps.before` describe the errors.

	`run` unregisters it when it has ended.
	"""
	# A process' first chat then loads the HTTP client while it stores the request.
	warm()
	request = other_apps.before(task_provider.keep(request, settings), settings)
	return running.register(Chat(request, settings, accept(request, settings, "running", asked_at)))


def accept(request: ChatRequest, settings: Settings, status: str, asked_at: float) -> Publisher:
	"""Stores the row of a new request together with event 1, and commits them.

	Args:
		request: the valid request of the session's user.
		settings: the site's settings.
		status: `running` or `queued`.
		asked_at: when the request reached this process, by `time.monotonic()`.

	Returns:
		The publisher of the request's events.

	Raises:
		ChatError: `conflict` for a request_id that is in use, and the errors of `admission.check`.
	"""
	user, key = frappe.session.user, keys.current()
	names = ("request_id", "task_id", "mode", "provider", "fingerprint", "prompt_bytes", *reference.FIELDS)
	row = {
		**{name: getattr(request, name) for name in names},
		"user": user,
		"model": request.model or None,
		"status": status,
		"cancel_asked": 0,
		"ai_key": key.name if key else None,
		"is_continuation": int(request.is_continuation),
		"tool_calls": [] if request.tools else None,
		"metadata": request.metadata if settings.retention.keep_content else None,
		"excerpt": request.excerpt if settings.retention.keep_content else None,
		**conversations.columns_of(user, request, settings.retention),
	}
	try:
		now = admission.check(user, status, settings, request.is_continuation)
		row.update(created=now, lease=now + LEASE_S)
		question = asdict(replace(request, sent=None)) if status == "queued" else None
		name = store.current().open(row, question, request.sent)
	except (store.RequestExists, ChatError) as refused:
		# The rollback releases the admission lock; it would be held until the end of the HTTP request otherwise.
		frappe.db.rollback()
		raise admission.conflict(request) if isinstance(refused, store.RequestExists) else refused from None
	publisher = Publisher(
		name,
		user,
		request.task_id,
		request.request_id,
		max_delay_s=settings.realtime.max_delay_ms / 1000,
		enabled=settings.realtime.enabled,
		keep_content=settings.retention.keep_content,
		tools=request.tools is not None,
		publishes=request.publishes,
		stream_tool_calls=request.stream_tool_calls,
		keeps_chunks=request.keeps_chunks,
	)
	publisher.accepted(asked_at)
	return publisher
