"""The measuring client: one loop and one socket, and little work besides taking the time.

What measures shares the cores with what is measured. A thread a chat and a python-socketio client took more of them than
the site did with a hundred chats; this takes a twentieth of a core.
"""

import asyncio
import json
import re
import threading
import time
import uuid
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import aiohttp
import uvloop

from ai_assistant.client import Client
from ai_assistant.realtime.event import EVENT

Result = TypeVar("Result")
Ask = Callable[[str], Coroutine[Any, Any, "Stamps"]]

# It runs on a thread of its own, so that it answers the pings of a site's socket while other contenders start.
LOOP = uvloop.new_event_loop()
threading.Thread(target=LOOP.run_forever, name="bench-client", daemon=True).start()
STAMP = 16
# A stamp as the text of a delta, and what the last event of each API has in it.
WRITTEN = re.compile(rb'"(?:delta|text|content)": ?" *(\d+\.\d{6}) ')
ENDS = {"chat/completions": b"[DONE]", "messages": b"message_stop", "responses": b"response.completed"}

_sessions: list[aiohttp.ClientSession] = []


def run(coroutine: Coroutine[Any, Any, Result]) -> Result:
	"""Runs a coroutine on the loop, and returns its result."""
	return asyncio.run_coroutine_threadsafe(coroutine, LOOP).result()


class Stamps:
	"""One question: when it was asked, when event 1 came, when its first text was written by the provider, and came."""

	def __init__(self) -> None:
		self.began = time.monotonic()
		self.accepted = self.wrote = self.came = 0.0
		self.ended: asyncio.Future[None] = LOOP.create_future()

	@property
	def took_ms(self) -> float:
		return (self.came - self.began) * 1000

	@property
	def accepted_ms(self) -> float:
		return (self.accepted - self.began) * 1000


def _http(headers: dict[str, str]) -> aiohttp.ClientSession:
	session = aiohttp.ClientSession(
		# gunicorn closes a connection after 2 s without a request, perhaps while the next request is under way.
		connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=1),
		cookie_jar=aiohttp.DummyCookieJar(),
		timeout=aiohttp.ClientTimeout(total=300),
		headers=headers,
	)
	_sessions.append(session)
	return session


async def close() -> None:
	"""Lets go of all connections."""
	while _sessions:
		await _sessions.pop().close()


async def of_site(client: Client) -> Ask:
	"""Asks a site as the user of `client`, whose socket need not be connected."""
	headers = {"Cookie": "; ".join(f"{cookie.name}={cookie.value}" for cookie in client.http.cookies.jar)}
	if token := client.http.headers.get("Authorization"):
		headers = {"Cookie": "socket=1", "Authorization": token}
	http, namespace = _http(headers), f"/{client.site},"
	socket = await http.ws_connect(
		f"{client.socketio_url}/socket.io/?EIO=4&transport=websocket", headers={"Origin": client.url}
	)
	await socket.receive()
	await socket.send_str(f"40{namespace}")
	welcome = (await socket.receive()).data
	assert welcome.startswith(f"40{namespace}"), welcome
	waiting: dict[str, Stamps] = {}

	async def listen() -> None:
		async for packet in socket:
			now = time.monotonic()
			if packet.data == "2":
				await socket.send_str("3")
			elif packet.data.startswith(f"42{namespace}"):
				name, event = json.loads(packet.data[2 + len(namespace) :])
				if name == EVENT and (stamps := waiting.get(event["request_id"])):
					_heard(stamps, event, now)

	async def ask(prompt: str) -> Stamps:
		request_id = str(uuid.uuid4())
		stamps = waiting[request_id] = Stamps()
		body = {"messages": [{"role": "user", "content": prompt}], "request_id": request_id}
		where = f"{client.url}/api/method/ai_assistant.api.chat_completion"
		async with http.post(where, json=body) as response:
			answer = await response.json()
			assert response.status == 200, answer
		await asyncio.wait_for(stamps.ended, 10)
		del waiting[request_id]
		return stamps

	# Kept by what is given, as the loop keeps no task alive.
	ask.listening = LOOP.create_task(listen())  # type: ignore[attr-defined]
	return ask


def _heard(stamps: Stamps, event: dict[str, Any], now: float) -> None:
	if event["seq"] == 1:
		stamps.accepted = now
	if event["type"] == "text" and not stamps.came:
		stamps.wrote, stamps.came = float(event["text"][:STAMP]), now
	if event["type"] == "completion":
		stamps.ended.set_result(None)


async def of_provider(url: str) -> Ask:
	"""Asks an API like OpenAI's, whose stream's bytes it reads."""
	return await of_api(url, "chat/completions")


async def of_api(
	url: str, api: str, headers: dict[str, str] | None = None, more: dict[str, Any] | None = None
) -> Ask:
	"""Asks one of the three standard APIs, and reads the bytes of its stream.

	Args:
		url: the address before `/chat/completions`, `/messages` or `/responses`.
		api: the last part of the address.
		headers: headers beside a bearer token.
		more: fields of the body, as `tools`.
	"""
	http = _http({"Authorization": "Bearer sk-bench", "x-api-key": "sk-bench", **(headers or {})})
	last = ENDS[api]

	async def ask(prompt: str) -> Stamps:
		stamps = Stamps()
		messages = [{"role": "user", "content": prompt}]
		asked = {"input": messages} if api == "responses" else {"messages": messages}
		if api == "messages":
			# The site cuts an answer that is much longer than its tokens.
			asked["max_tokens"] = 32_000  # type: ignore[assignment]
		body = {"model": "scripted", **(more or {}), **asked, "stream": True}
		held = end = b""
		has_ended = False
		async with http.post(f"{url}/{api}", json=body) as response:
			assert response.status == 200, await response.text()
			async for data in response.content.iter_any():
				now = time.monotonic()
				has_ended = has_ended or last in end + data
				end = data[-64:]
				if stamps.came:
					continue
				held += data
				if stamp := WRITTEN.search(held):
					stamps.wrote, stamps.came = float(stamp[1]), now
		assert has_ended, f"the answer was cut short: {end!r}"
		return stamps

	return ask
