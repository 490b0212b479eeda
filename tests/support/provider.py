"""A scripted provider: a real HTTP server that plays what the prompt tells it to.

The last user message of a chat is the script, a JSON list of steps, so that a test needs no access to the
provider's state and the same test runs against any live site. Steps that speak are in `wire`; besides
	{"sleep": seconds}            waits
	{"gate": name}                waits until the test calls `provider.open(name)`
	{"hang": true}                says nothing more until the client hangs up
	{"cut": true}                 closes the connection without a regular end
	{"raw": str}                  these very bytes (latin-1), whatever the family
	{"status": n, "body": any, "headers": {}}   as the first step: an HTTP error
	{"most": n}                   as the first step: refuses a request of more bytes as too long for its model
	{"status": n, "echo": true}   an HTTP error that quotes the key it was sent
	{"status": n, "times_refused": m}   as the first step: an HTTP error for the first m requests of this script
	{"error_echo": true}          an error object in the stream that does
	{..., "for": model}           as the first step: passed over when another model is asked
	{..., "given": field}         as the first step: passed over when the request has no such field
	{"at_once": true}             as the first step: the whole answer as one JSON object, though a stream was asked for
	{"headers_after": name}       as the first step: no response headers before that gate opens
	{"split": n}                  as the first step: the body in two writes, cut at byte n
	{"repeat": n, …, "every": seconds}   a step that speaks n times, one each `every` seconds
	{"text": str, "times": n}     one piece, n times as long
A GET of /openai_responses/v1/responses/ID plays the script of the newest request with `background` again, and a POST to
…/ID/cancel is answered.
Tests in JavaScript ask over HTTP: GET /open/<gate> opens a gate, GET /count/<marker> says how often the marker came,
GET /hung_up/<marker> at how many of these requests the client has hung up before the end.
	{"turn": [steps]}             all steps are turns: the first is played, once it has a tool's answer the second…
	{"wants": [steps]}            as the first step: refuses (400) a request whose last turn of the model is not what
	                              these steps said, exactly
A script that does not end (cut, hang, finish, error) finishes with "stop". A prompt that is no script is
answered with a short reasoning and a short text.
"""

from __future__ import annotations

import asyncio
import json
import re
import threading
import time
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import unquote

from .scripts import script_of
from .wire import FAMILIES, Family, Step

ENDS = ("finish", "cut", "hang", "error")
# A request with this key is refused with an error that quotes the key.
WRONG_KEY = "sk-wrong-5d2e81"
# The bytes of a body that the server reads ahead.
MAX_READ = 4 * 2**20


class ReceivedRequest:
	"""One request the provider has received, and when its client hung up."""

	def __init__(self, path: str, headers: dict[str, str], body: dict[str, Any]) -> None:
		self.path = path
		self.headers = headers
		self.body = body
		self.text = json.dumps(body)
		sent = [headers.get(name, "") for name in ("authorization", "x-api-key", "x-goog-api-key")]
		self.key = "".join(sent).removeprefix("Bearer ")
		self.peer: tuple[str, int] | None = None
		self.hung_up = threading.Event()
		self.answered = threading.Event()
		self.written: list[tuple[float, bytes]] = []
		# When all of it had arrived, by time.perf_counter().
		self.time = 0.0


class ScriptedProvider:
	"""`with ScriptedProvider() as provider:` serves every family under `provider.base(family)` on loopback.

	Args:
		port: the port; 0 for a free one.
		plan: makes the steps of each request, instead of the script in its last user message.
	"""

	def __init__(self, port: int = 0, plan: Callable[[ReceivedRequest], list[Step]] | None = None) -> None:
		self._plan = plan
		# The answer to a GET of the list of models.
		self.models: dict[str, Any] = {"data": []}
		self.port = port
		self.requests: list[ReceivedRequest] = []
		self._gates: dict[str, asyncio.Event] = {}
		self._loop = asyncio.new_event_loop()
		self._thread = threading.Thread(target=self._run, name="scripted-provider", daemon=True)
		self._ready = threading.Event()
		self._arrived = threading.Condition()

	def __enter__(self) -> ScriptedProvider:
		self._thread.start()
		self._ready.wait()
		return self

	def __exit__(self, *exc: object) -> None:
		self._loop.call_soon_threadsafe(self._loop.stop)
		self._thread.join()

	def base(self, family: str) -> str:
		"""The `api_base` to configure for a family."""
		root = f"http://127.0.0.1:{self.port}/{family}"
		return root if family in ("anthropic", "gemini", "ollama_chat") else f"{root}/v1"

	def open(self, gate: str) -> None:
		"""Lets every script that waits at `gate`, now or later, go on."""
		self._loop.call_soon_threadsafe(lambda: self._gate(gate).set())

	def wait_for(self, marker: str, timeout: float = 20) -> ReceivedRequest:
		"""The request whose body contains `marker`, once it has arrived."""

		def find() -> ReceivedRequest | None:
			return next((a for a in self.requests if marker in a.text), None)

		with self._arrived:
			if not self._arrived.wait_for(lambda: find() is not None, timeout):
				raise AssertionError(f"the provider was never asked for {marker!r}")
		request = find()
		assert request
		return request

	def count(self, marker: str) -> int:
		return sum(marker in a.text for a in self.requests)

	def _gate(self, name: str) -> asyncio.Event:
		return self._gates.setdefault(name, asyncio.Event())

	def _run(self) -> None:
		asyncio.set_event_loop(self._loop)
		# With the default limit of 64 kB it would read the body of an agent's request in twice the time.
		serving = asyncio.start_server(self._serve, "127.0.0.1", self.port, limit=MAX_READ)
		server = self._loop.run_until_complete(serving)
		self.port = server.sockets[0].getsockname()[1]
		self._ready.set()
		self._loop.run_forever()
		server.close()
		tasks = asyncio.all_tasks(self._loop)
		for task in tasks:
			task.cancel()
		self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
		self._loop.close()

	async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
		try:
			while request := await _read_request(reader):
				request.peer = writer.get_extra_info("peername")
				with self._arrived:
					self.requests.append(request)
					self._arrived.notify_all()
				# Nothing follows on the connection until the answer is out, so any end of input is a hang-up.
				watch = asyncio.create_task(_watch(reader, request))
				play = asyncio.create_task(self._play(request, writer))
				try:
					await asyncio.wait({watch, play}, return_when=asyncio.FIRST_COMPLETED)
					if not play.done() or not await play:
						return
				except ConnectionError:
					# Writing may find out before reading does.
					request.hung_up.set()
					raise
				finally:
					play.cancel()
					watch.cancel()
					await asyncio.gather(play, watch, return_exceptions=True)
					request.answered.set()
		except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
			pass
		finally:
			writer.close()

	async def _play(self, request: ReceivedRequest, writer: asyncio.StreamWriter) -> bool:
		"""Plays one script; True where the connection can be used again."""
		name, _, rest = unquote(request.path[1:]).partition("/")
		if request.path.partition("?")[0].endswith(("/models", "/api/tags")):
			_head(writer, 200, "application/json", json.dumps(self.models).encode())
			await writer.drain()
			return True
		if name in ("open", "count", "hung_up"):
			if name == "open":
				self._gate(rest).set()
			number = self.count(rest)
			if name == "hung_up":
				number = sum(
					rest in received.text and received.hung_up.is_set() for received in self.requests
				)
			_head(writer, 200, "application/json", str(number).encode())
			await writer.drain()
			return True
		if request.path.endswith("/cancel"):
			_head(writer, 200, "application/json", b"{}")
			await writer.drain()
			return True
		body = request.body
		if "starting_after=" in request.path:
			body = next(earlier.body for earlier in reversed(self.requests) if earlier.body.get("background"))
		if self._plan:
			steps = self._plan(request)
		else:
			steps = [
				{"error": request.key} if "error_echo" in step else step
				for step in script_of(body.get("generateContentRequest", body))
			]
		if request.key == WRONG_KEY:
			steps = [{"status": 401, "echo": True}]
		streaming = bool(request.body.get("stream")) or "stream" in request.path
		model = body.get("model") or re.sub(r".*/models/([^:]+):.*", r"\1", request.path)
		family = FAMILIES.get(name, FAMILIES["openai"])(model)

		first: Step = steps[0] if steps else {}
		if first.get("for", model) != model or first.get("given") not in (None, *request.body):
			first, *_ = steps = steps[1:]
		if "most" in first:
			if len(request.text) > first["most"]:
				first = {"status": 400, "body": family.refusal(400, "prompt is too long")}
			else:
				first, *_ = steps = steps[1:]
		if "wants" in first:
			if family.returned(request.body) != family.turn(first["wants"]):
				first = {"status": 400, "body": family.refusal(400, "not the turn that was said")}
			else:
				first, *_ = steps = steps[1:]
		if (
			"times_refused" in first
			and sum(received.text == request.text for received in self.requests) > first["times_refused"]
		):
			first, *_ = steps = steps[1:]
		if "headers_after" in first:
			await self._gate(first["headers_after"]).wait()
		if "status" in first:
			words = request.key if "echo" in first else "scripted refusal"
			body = first.get("body", family.refusal(first["status"], words))
			payload = body if isinstance(body, str) else json.dumps(body)
			_head(writer, first["status"], "application/json", payload.encode(), first.get("headers"))
			await writer.drain()
			return True
		if not streaming or "at_once" in first:
			for step in steps:
				if "cut" in step:
					return False
				if "hang" in step:
					await asyncio.Event().wait()
				if "gate" in step:
					await self._gate(step["gate"]).wait()
				if "sleep" in step:
					await asyncio.sleep(step["sleep"])
			payload_bytes = json.dumps(family.whole(steps)).encode()
			if "raw" in first:
				payload_bytes = first["raw"].encode("latin-1")
			_head(writer, 200, "application/json", payload_bytes)
			await writer.drain()
			return True

		_head(writer, 200, family.content_type, None)
		await writer.drain()
		async for data in self._body(family, steps):
			if data is None:
				return False
			if not data:
				continue  # a chunk of no bytes would end the body
			writer.write(b"%x\r\n%s\r\n" % (len(data), data))
			request.written.append((time.perf_counter(), data))
			await writer.drain()
		writer.write(b"0\r\n\r\n")
		await writer.drain()
		return True

	async def _body(self, family: Family, steps: list[Step]) -> AsyncIterator[bytes | None]:
		"""The body's writes; None closes the connection at once."""
		split = next((s["split"] for s in steps if "split" in s), None)
		if split is not None:
			whole = b"".join([w async for w in self._writes(family, steps) if w])
			# The pause makes the client read the two parts apart.
			yield whole[:split]
			await asyncio.sleep(0.001)
			yield whole[split:]
			return
		async for data in self._writes(family, steps):
			yield data

	async def _writes(self, family: Family, steps: list[Step]) -> AsyncIterator[bytes | None]:
		if "raw" not in (steps[0] if steps else {}) and (start := family.start()):
			yield start
		for step in steps:
			if "sleep" in step:
				await asyncio.sleep(step["sleep"])
			elif "gate" in step:
				await self._gate(step["gate"]).wait()
			elif "hang" in step:
				await asyncio.Event().wait()
			elif "cut" in step:
				yield None
				return
			elif "raw" in step:
				yield step["raw"].encode("latin-1")
			elif "repeat" in step:
				piece = {k: v for k, v in step.items() if k not in ("repeat", "every")}
				started = time.perf_counter()
				for n in range(step["repeat"]):
					if every := step.get("every"):
						await asyncio.sleep(max(0.0, started + n * every - time.perf_counter()))
					yield family.step(piece)
			elif set(step) & {
				"reasoning",
				"text",
				"call",
				"sealed",
				"redacted",
				"compacted",
				"finish",
				"error",
			}:
				yield family.step(step)
		if not any(end in step for step in steps for end in ENDS) and "raw" not in (steps[-1:] or [{}])[0]:
			yield family.step({"finish": "tool_calls" if any("call" in step for step in steps) else "stop"})


async def _read_request(reader: asyncio.StreamReader) -> ReceivedRequest | None:
	try:
		head = await reader.readuntil(b"\r\n\r\n")
	except asyncio.IncompleteReadError:
		return None
	first, *lines = head.decode("latin-1").split("\r\n")
	headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines if line)}
	body = await reader.readexactly(int(headers.get("content-length", 0)))
	arrived = time.perf_counter()
	request = ReceivedRequest(first.split(" ")[1], headers, json.loads(body) if body else {})
	request.time = arrived
	return request


async def _watch(reader: asyncio.StreamReader, request: ReceivedRequest) -> None:
	try:
		await reader.read(1)
	except ConnectionError:
		pass
	request.hung_up.set()


def _head(
	writer: asyncio.StreamWriter,
	status: int,
	content_type: str,
	body: bytes | None,
	headers: dict[str, str] | None = None,
) -> None:
	lines = [f"HTTP/1.1 {status} Scripted", f"content-type: {content_type}"]
	lines += [f"{k}: {v}" for k, v in (headers or {}).items()]
	lines += ["transfer-encoding: chunked" if body is None else f"content-length: {len(body)}"]
	writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + (body or b""))
