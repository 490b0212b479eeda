"""One request of a standard API, from its body to the last byte of its answer."""

import hashlib
import json
import time
from collections.abc import Callable, Generator, Iterator
from typing import Any

import frappe
from frappe import _
from werkzeug.wrappers import Response

from ai_assistant.chat import capacity, continuations, journal, lifecycle, ownership
from ai_assistant.chat.answer import answer_of
from ai_assistant.chat.errors import ChatError, invalid
from ai_assistant.chat.request import FIELD, MAX_UNKNOWN, REQUEST_ID, ChatRequest, validate
from ai_assistant.config import access
from ai_assistant.config.settings import Mode, Settings
from ai_assistant.gateway import Chunk, Fallback, Tick, strict_json

from . import hang_up, models
from .dialect import Dialect, Parsed, StreamWriter, is_cut, is_vs_code
from .responses import Own, Stream, refusal_of

# Seconds for which deltas are gathered before they are written.
GATHER_S = 0.1
# Seconds between two checks for a hang-up, and the most seconds without a byte to the client.
LOOK_S, PING_S = 0.5, 5.0
# The mode of these APIs. It has no system prompt, unless the site configures a mode of this name.
MODE = "api"
MODES = {MODE: Mode(MODE)}

Chunks = Generator[Chunk, None, dict[str, Any]]


def answer(dialect: Dialect) -> Response:
	"""Answers the HTTP request at hand, which asks for a completion in a dialect.

	Returns:
		A stream or a whole body.

	Raises:
		ChatError: the request is refused before it is accepted.
	"""
	started = time.monotonic()
	parsed = dialect.parse(body(), frappe.local.request.headers)
	settings = access.load_permitted()
	request = validated(parsed, settings)
	model, chunks = model_shown(parsed, request, settings), chunks_of(request, parsed, settings, started)
	return send(dialect, parsed, request.request_id, model, chunks)


def send(
	dialect: Dialect,
	parsed: Parsed,
	request_id: str,
	model: str,
	chunks: Chunks,
	created: float | None = None,
	at_once: bool = False,
) -> Response:
	"""Sends the answer of a request as its chunks come: a stream if `parsed.stream`, else one body.

	Args:
		dialect: the API in which the request was sent.
		parsed: what the dialect read.
		request_id: the id of the request, for the header X-Request-Id.
		model: the name of the model to show in the stream.
		chunks: yields chunks and returns the answer object, as `chunks_of` and `follow` do. A hang-up closes it.
		created: the UNIX time in seconds at which the request was accepted; None for now.
		at_once: whether the stream begins before the first chunk. Every error is an event then.

	Returns:
		The response. If the request fails before its first chunk, the client gets an HTTP error status, also from a stream.
	"""
	created = int(time.time() if created is None else created)
	# Anthropic's SDKs read the second.
	headers = {"X-Request-Id": request_id, "Request-Id": request_id}
	if not parsed.stream:
		whole = last(chunks)
		headers |= _dropped(parsed, whole)
		if whole.get("error") and not is_cut(whole):
			return refusal(dialect, whole["error"], headers)
		return json_response(dialect.whole(whole, parsed, created), headers)
	writer = dialect.Writer(parsed, request_id, model, created)
	hung_up = hang_up.watcher(frappe.local.request.environ)
	# The first step asks the provider. It raises ChatError if the request is refused.
	start = ([], None) if at_once else _first(chunks, hung_up, 0)

	def begin() -> Iterator[bytes] | Response:
		first, ended = start
		try:
			if not (at_once or first or ended):
				first, ended = _first(chunks, hung_up, PING_S)
		except Exception as error:
			return refusal(dialect, refusal_of(error, "v1"), headers)
		if ended and ended.get("error") and not first and not is_cut(ended):
			return refusal(dialect, ended["error"], {**headers, **_dropped(parsed, ended)})
		return _written(first, ended, chunks, writer, hung_up)

	streamed = {
		"Content-Type": "text/event-stream; charset=utf-8",
		"Cache-Control": "no-cache",
		# nginx buffers otherwise.
		"X-Accel-Buffering": "no",
	}
	return Stream(begin, chunks.close, {**headers, **_dropped(parsed, start[1] or {}), **streamed})


def _dropped(parsed: Parsed, answer: dict[str, Any]) -> dict[str, str]:
	"""Returns the header with the names of the fields that were ignored, if there are any."""
	dropped = [*parsed.dropped, *(answer.get("dropped") or [])][:MAX_UNKNOWN]
	# A client may send any number of fields of any name.
	return {"X-Dropped": ", ".join(field for field in dropped if FIELD.fullmatch(field))} if dropped else {}


def body() -> dict[str, Any]:
	"""Reads the JSON object in the body of the HTTP request. Raises ChatError `invalid_request`."""
	try:
		fields = strict_json.loads(frappe.local.request.get_data())
	except (ValueError, RecursionError):
		raise invalid(_("The body is not valid JSON.")) from None
	if not isinstance(fields, dict):
		raise invalid(_("The body accepts a JSON object."))
	return fields


def refusal(dialect: Dialect, error: dict[str, Any], headers: dict[str, str] | None = None) -> Response:
	"""Builds the response for the contract's `error` object in the form of a dialect."""
	status, content = dialect.error(error)
	if is_vs_code(frappe.local.request.headers) and status not in (401, 429):
		status = 403
	# The SDKs of OpenAI and Anthropic obey this header. Without it they repeat every request that has a status from 500.
	headers = {
		**(headers or {}),
		"Cache-Control": "no-store",
		"X-Should-Retry": "true" if error.get("retryable") else "false",
	}
	if status in (429, 503, 529):
		headers["Retry-After"] = str(error.get("retry_after") or 1)
	return json_response(content, headers, status)


def json_response(
	content: dict[str, Any], headers: dict[str, str] | None = None, status: int = 200
) -> Response:
	"""Builds a response with a JSON body."""
	return Own(
		json.dumps(content, ensure_ascii=False), status=status, mimetype="application/json", headers=headers
	)


def validated(parsed: Parsed, settings: Settings) -> ChatRequest:
	"""Validates the fields that a dialect read, and completes them from the headers of the HTTP request.

	Raises:
		ChatError: `unknown_model`, and the errors of `chat.request.validate`.
	"""
	fields, headers = dict(parsed.fields), frappe.local.request.headers
	fields["provider"], fields["model"] = models.resolve(fields.get("model"), settings)
	alias = settings.aliases.get(fields["model"] or "")
	fields["mode"] = fields.get("mode") or (alias and alias.mode) or MODE
	fields["request_id"] = fields.get("request_id") or _id_of_key(headers.get("Idempotency-Key"))
	fields["background"] = parsed.background
	most = fields.get("max_tokens")
	if isinstance(most, int) and most > settings.limits.max_tokens:
		fields["max_tokens"] = settings.limits.max_tokens
	fields["stream_tool_calls"] = parsed.stream
	unwanted = headers.get("X-AI-Progress", "").lower() == "off"
	try:
		request = validate(fields, settings, MODES, settings.realtime.standard_apis and not unwanted)
	except ChatError as refused:
		if refused.code != "invalid_request":
			raise
		raise ChatError(refused.code, parsed.paths.renamed(str(refused))) from None
	return continuations.restore(request, frappe.session.user, settings.retention.keep_content)


def _id_of_key(key: str | None) -> str | None:
	"""Returns the request_id for an Idempotency-Key, which may be any text: the key itself if it can be an id, or its hash."""
	if not key or REQUEST_ID.fullmatch(key):
		return key
	return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


def model_shown(parsed: Parsed, request: ChatRequest, settings: Settings) -> str:
	"""Returns the name of the model that a stream shows: the client's own, or that of the model which is asked first."""
	if named := parsed.fields.get("model") or request.model:
		return named
	_provider, default = settings.first_for(settings.modes.get(MODE, MODES[MODE]))
	return default or ""


def chunks_of(request: ChatRequest, parsed: Parsed, settings: Settings, started: float) -> Chunks:
	"""Runs a new request, or follows one that was sent before with the same id.

	Closing the generator cancels a request that runs here, unless `parsed.store`. At its end, the request holds no place
	in this process any more, however it ended.

	Args:
		request: the valid request.
		parsed: what the dialect read.
		settings: the settings that the request may use.
		started: when the request reached this process, by `time.monotonic()`.

	Yields:
		The chunks of the answer.

	Returns:
		The answer object. It has an `error` unless the request completed.

	Raises:
		ChatError: the request is refused; raised by the first `next()`.
	"""
	row = ownership.find_same(request)
	if row is None:
		with capacity.for_chat(settings.limits):
			try:
				chat = lifecycle.begin(request, settings, started)
			except ChatError as refused:
				row = ownership.accepted_meanwhile(request, refused)
			else:
				chunks = lifecycle.run(
					chat,
					parsed.store,
					lambda: GATHER_S if chat.publisher.gathers() else LOOK_S,
					once_asked=parsed.stream,
				)
				return _with_error((yield from chunks))
	return (yield from follow(row, settings))


def follow(row: dict[str, Any], settings: Settings) -> Chunks:
	"""Follows a stored request. Yields, returns and raises the same as `chunks_of`."""
	with capacity.for_chat(settings.limits):
		answer = yield from journal.follow(row, settings.timeouts.total_s)
	return _with_error(answer)


def _with_error(answer: dict[str, Any]) -> dict[str, Any]:
	"""Gives the answer object of a cancelled request an `error`. These APIs have no other end for it."""
	if answer["status"] != "cancelled":
		return answer
	return {**answer, "error": ChatError("cancelled", _("The request was cancelled.")).as_dict()}


def _closed(chunks: Chunks) -> dict[str, Any]:
	"""Closes the chunks of a request whose client hung up. No client reads the answer object that it returns."""
	chunks.close()
	return _with_error({"status": "cancelled"})


def last(chunks: Chunks) -> dict[str, Any]:
	"""Reads all chunks and returns the answer object. A hang-up closes the generator."""
	hung_up, look_at = hang_up.watcher(frappe.local.request.environ), 0.0
	while True:
		try:
			next(chunks)
		except StopIteration as end:
			answer: dict[str, Any] = end.value
			return answer
		if (now := time.monotonic()) >= look_at:
			look_at = now + LOOK_S
			if hung_up():
				return _closed(chunks)


def _first(
	chunks: Chunks, hung_up: Callable[[], bool], wait_s: float
) -> tuple[list[Chunk], dict[str, Any] | None]:
	"""Waits for the first chunk with content, for `wait_s` seconds at most. With 0 it takes one step of `chunks`.

	Returns:
		The chunk in a list, which is empty if there is none yet; and the answer object if the request has ended.
	"""
	until = time.monotonic() + wait_s
	while True:
		try:
			chunk = next(chunks)
		except StopIteration as end:
			return [], end.value
		if not isinstance(chunk, Tick | Fallback):
			return [chunk], None
		if hung_up():
			return [], _closed(chunks)
		if time.monotonic() >= until:
			return [], None


def _written(
	first: list[Chunk],
	answer: dict[str, Any] | None,
	chunks: Chunks,
	writer: StreamWriter,
	hung_up: Callable[[], bool],
) -> Iterator[bytes]:
	"""Yields the body of a streamed response. It closes `chunks` at its end.

	Args:
		first: the chunks that were read already.
		answer: the answer object if the request has ended already.
		chunks: the generator of the other chunks.
		writer: writes the events.
		hung_up: returns whether the client has hung up.
	"""
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
