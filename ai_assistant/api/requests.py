"""One request of a standard API, from its body to the last byte of its answer."""

import hashlib
import json
import re
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from typing import Any

import frappe
from frappe import _
from werkzeug.wrappers import Response

from ai_assistant.chat import capacity, continuations, journal, lifecycle, ownership, running
from ai_assistant.chat.answer import answer_of
from ai_assistant.chat.errors import ChatError
from ai_assistant.chat.request import REQUEST_ID, ChatRequest, validate
from ai_assistant.config import access
from ai_assistant.config.settings import Mode, Settings
from ai_assistant.gateway import Chunk, Fallback, Tick

from . import hang_up, models
from .dialect import Dialect, Parsed, StreamWriter, is_vs_code
from .responses import refusal_of

# Deltas are gathered for this long before they are written.
GATHER_S = 0.1
# How often a hang-up is looked for, and how long the client may read nothing.
LOOK_S, PING_S = 0.5, 5.0
# The mode of these APIs. A site may configure it; it has no system prompt unless the site gives it one.
MODE = "api"
# What a header of dropped fields holds: a client may send any number, with any names.
FIELD, MAX_DROPPED = re.compile(r"[\w.-]{1,64}", re.ASCII), 30

Chunks = Generator[Chunk, None, dict[str, Any]]


class Own(Response):
	"""A response of these APIs. `ai_assistant.api.v1.after_request` leaves it as it is."""


def answer(dialect: Dialect) -> Response:
	"""Answers a request for a completion, streamed or whole.

	Raises:
		ChatError: For what is refused before the request is accepted.
	"""
	started = time.monotonic()
	parsed = dialect.parse(body(), frappe.request.headers)
	settings = access.load_permitted()
	request = validated(parsed, settings)
	return run(dialect, parsed, request, settings, started)


def run(
	dialect: Dialect, parsed: Parsed, request: ChatRequest, settings: Settings, started: float
) -> Response:
	"""Answers a valid request that reached this process at `started` (`time.monotonic()`). Errors are those of `answer`."""
	model = parsed.fields.get("model") or request.model or _default_model(settings)
	return send(dialect, parsed, request.request_id, model, _chunks(request, parsed, settings, started))


def send(
	dialect: Dialect,
	parsed: Parsed,
	request_id: str,
	model: str,
	chunks: Chunks,
	created: float | None = None,
	at_once: bool = False,
) -> Response:
	"""Sends what a generator of chunks comes to: a stream if `parsed.stream`, else one body.

	Args:
		chunks: Yields chunks and returns the answer object, as `chat.journal.follow` and `chat.lifecycle.run` do. It is
			closed when the client hangs up.
		created: The UNIX time at which the request was accepted, now if it is None.
		at_once: Whether the stream begins before the first chunk. An error is an event then, whenever it comes.
	"""
	created = int(time.time() if created is None else created)
	headers = {"X-Request-Id": request_id}
	if parsed.dropped:
		headers["X-Dropped"] = ", ".join(
			field for field in parsed.dropped[:MAX_DROPPED] if FIELD.fullmatch(field)
		)
	hung_up = hang_up.watcher(frappe.request.environ)
	first: list[Chunk] = []
	ended: dict[str, Any] | None = None
	if not parsed.stream:
		ended = _last(chunks, hung_up)
	elif not at_once:
		first, ended = _first(chunks, hung_up)
	if ended and ended.get("error") and not first:
		return refusal(dialect, ended["error"], headers)
	if ended and not parsed.stream:
		return json_response(200, dialect.whole(ended, parsed, created), headers)
	headers |= {
		"Content-Type": "text/event-stream; charset=utf-8",
		"Cache-Control": "no-cache",
		# nginx buffers otherwise.
		"X-Accel-Buffering": "no",
	}
	writer = dialect.Writer(parsed, request_id, model, created)
	written = _written(first, ended, chunks, writer, hung_up)
	response = Own(written, headers=headers, direct_passthrough=True)
	# Closing a generator that was never asked for its first part does nothing: the client may be gone by then.
	response.call_on_close(chunks.close)
	return response


def body() -> dict[str, Any]:
	"""The JSON object in the body of the request at hand. Raises ChatError `invalid_request`."""
	try:
		found = json.loads(frappe.request.get_data())
	except (ValueError, RecursionError):
		raise ChatError("invalid_request", _("The body is not valid JSON.")) from None
	if not isinstance(found, dict):
		raise ChatError("invalid_request", _("The body accepts a JSON object."))
	return found


def refusal(dialect: Dialect, error: dict[str, Any], headers: dict[str, str] | None = None) -> Response:
	"""The response for the contract's `error` object, in the form of a dialect."""
	status, content = dialect.error(error)
	if is_vs_code(frappe.request.headers) and status not in (401, 429):
		status = 403
	headers = dict(headers or {})
	if status in (429, 503, 529):
		headers["Retry-After"] = str(error.get("retry_after") or 1)
	# The clients of OpenAI and Anthropic obey it. Without it they send again whatever has a status from 500.
	headers["X-Should-Retry"] = "true" if error.get("retryable") else "false"
	return json_response(status, content, headers)


def json_response(status: int, content: dict[str, Any], headers: dict[str, str]) -> Response:
	return Own(
		json.dumps(content, ensure_ascii=False), status=status, mimetype="application/json", headers=headers
	)


def validated(parsed: Parsed, settings: Settings) -> ChatRequest:
	"""The valid request. Raises ChatError."""
	modes = {MODE: Mode(MODE), **settings.modes}
	fields = dict(parsed.fields)
	fields["mode"] = fields.get("mode") or MODE
	fields["provider"], fields["model"] = models.resolve(fields.get("model"), settings)
	fields["request_id"] = fields.get("request_id") or _id_of_key(
		frappe.request.headers.get("Idempotency-Key")
	)
	fields["background"] = parsed.background
	most = fields.get("max_tokens")
	if isinstance(most, int) and most > settings.limits.max_tokens:
		fields["max_tokens"] = settings.limits.max_tokens
	request = validate(fields, replace(settings, modes=modes))
	unwanted = frappe.request.headers.get("X-AI-Progress", "").lower() == "off"
	publishes = settings.realtime.standard_apis and not unwanted
	request = replace(request, publishes=publishes, stream_tool_calls=parsed.stream)
	return continuations.restore(request, frappe.session.user)


def _id_of_key(key: str | None) -> str | None:
	"""The request_id for an Idempotency-Key, which may be any text."""
	if not key or REQUEST_ID.fullmatch(key):
		return key
	return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


def _default_model(settings: Settings) -> str:
	_provider, model = settings.first_for(settings.modes.get(MODE) or Mode(MODE))
	return model or ""


def _chunks(request: ChatRequest, parsed: Parsed, settings: Settings, started: float) -> Chunks:
	"""Yields the chunks of a request, new or sent before, and returns the answer object.

	Whatever has no answer has an `error` in it. Closing the generator cancels a request that runs here, unless it is
	stored. However it ends, nothing of the request is held any more.

	Raises:
		ChatError: At the first chunk, if the request is refused.
	"""
	row = ownership.find_same(request)
	if row is not None:
		return (yield from follow(row, settings))
	with capacity.for_chat(settings.limits):
		chat = lifecycle.begin(request, settings, started)

		def wait_s() -> float:
			return GATHER_S if chat.publisher.gathers() else LOOK_S

		try:
			answer = yield from lifecycle.run(chat, parsed.store, wait_s)
		finally:
			running.unregister(chat)
	return _with_error(answer)


def follow(row: dict[str, Any], settings: Settings) -> Chunks:
	"""Yields the chunks of a stored request and returns the answer object, as `_chunks` does."""
	with capacity.for_chat(settings.limits):
		answer = yield from journal.follow(row, settings.timeouts.total_s)
	return _with_error(answer)


def _with_error(answer: dict[str, Any]) -> dict[str, Any]:
	return {**answer, "error": cancelled()} if answer["status"] == "cancelled" else answer


def cancelled() -> dict[str, Any]:
	"""The error of a request that was cancelled: these APIs have no other end for it."""
	return {"code": "cancelled", "message": _("The request was cancelled."), "retryable": False}


def _hung_up() -> dict[str, Any]:
	"""What stands for the answer where nobody reads it."""
	return {"status": "cancelled", "error": cancelled()}


def _last(chunks: Chunks, hung_up: Callable[[], bool]) -> dict[str, Any]:
	"""The answer object, once there is one. A hang-up closes the generator."""
	look_at = 0.0
	while True:
		try:
			next(chunks)
		except StopIteration as end:
			answer: dict[str, Any] = end.value
			return answer
		if (now := time.monotonic()) >= look_at:
			look_at = now + LOOK_S
			if hung_up():
				chunks.close()
				return _hung_up()


def _first(chunks: Chunks, hung_up: Callable[[], bool]) -> tuple[list[Chunk], dict[str, Any] | None]:
	"""The first chunk that says something, and the answer object if the request has ended before it.

	So a provider that fails at once is an HTTP status and not an event. It waits for PING_S seconds at most: what comes
	in between keeps the client from giving up.
	"""
	until = time.monotonic() + PING_S
	while time.monotonic() < until:
		try:
			chunk = next(chunks)
		except StopIteration as end:
			return [], end.value
		if not isinstance(chunk, Tick | Fallback):
			return [chunk], None
		if hung_up():
			chunks.close()
			return [], _hung_up()
	return [], None


def _written(
	first: list[Chunk],
	answer: dict[str, Any] | None,
	chunks: Chunks,
	writer: StreamWriter,
	hung_up: Callable[[], bool],
) -> Iterator[bytes]:
	"""The body of a streamed response. However it ends, it closes the generator of chunks."""
	try:
		yield (writer.begin() + "".join([writer.write(chunk) for chunk in first])).encode()
		ping_at, look_at = time.monotonic() + PING_S, 0.0
		while answer is None:
			try:
				text = writer.write(next(chunks))
			except StopIteration as end:
				answer = end.value
				break
			now = time.monotonic()
			if not text and now >= ping_at:
				text = writer.ping()
			if text:
				ping_at = now + PING_S
				yield text.encode()
			if now >= look_at:
				look_at = now + LOOK_S
				if hung_up():
					return
		yield writer.end(answer).encode()
	except Exception as error:
		failed = {"status": "failed", "request_id": "", "task_id": "", "error": refusal_of(error, "stream")}
		yield writer.end(answer_of(failed)).encode()
	finally:
		chunks.close()
