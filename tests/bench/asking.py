"""The measuring client: one loop, one socket, and no more than is needed to take the time.

What measures shares the cores with what is measured. A thread a chat and a python-socketio client took more of them than
the site did with a hundred chats; this takes a twentieth of a core.
"""

import asyncio
import json
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import uvloop

from ai_assistant.client import Client
from ai_assistant.realtime.event import EVENT

Ask = Callable[[str], Awaitable["Stamps"]]

LOOP = uvloop.new_event_loop()
STAMP = 16

_sessions: list[aiohttp.ClientSession] = []


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
		connector=aiohttp.TCPConnector(limit=0),
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
	http = _http({"Authorization": "Bearer sk-bench"})

	async def ask(prompt: str) -> Stamps:
		stamps = Stamps()
		body = {"model": "scripted", "messages": [{"role": "user", "content": prompt}], "stream": True}
		held = end = b""
		async with http.post(f"{url}/chat/completions", json=body) as response:
			assert response.status == 200, await response.text()
			async for data in response.content.iter_any():
				now = time.monotonic()
				end = (end + data)[-64:]
				if stamps.came:
					continue
				held += data
				for line in held.split(b"\n"):
					if line.startswith(b"data: {") and line.endswith(b"}"):
						choices = json.loads(line[6:])["choices"]
						if text := choices and choices[0]["delta"].get("content"):
							stamps.wrote, stamps.came = float(text[:STAMP]), now
							break
		assert b"[DONE]" in end, f"the answer was cut short: {end!r}"
		return stamps

	return ask
