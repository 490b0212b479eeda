"""A stream pauses between two reads, so that many chunks cost one turn of the loop. Nothing of it is lost or held too long."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import aclosing

import pytest
from aiohttp import web

from ai_assistant.gateway import http, read_pauses
from ai_assistant.gateway.bridge import provider_loop
from tests.support.provider import ScriptedProvider

from .calling import answer, call, pieces_of

CHUNKS = 200
NAMES = {"provider": "p", "model": "m"}


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[int]:
	"""How many bytes end each pause."""
	sizes: list[int] = []
	wake_for = read_pauses._wake_for

	def set_size(connection: socket.socket, size: int) -> None:
		if size > 1:
			sizes.append(size)
		wake_for(connection, size)

	monkeypatch.setattr(read_pauses, "_wake_for", set_size)
	return sizes


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
	"""The bytes of each read of a stream."""
	sizes: list[int] = []
	lines_of = http.Lines.of

	def of(self: http.Lines, data: bytes) -> Iterator[str]:
		sizes.append(len(data))
		return lines_of(self, data)

	monkeypatch.setattr(http.Lines, "of", of)
	return sizes


def numbers(
	every: float, count: int = CHUNKS, breaks_off: bool = False, padding: str = "", answers: int = 1
) -> list[int]:
	"""The numbers of the chunks that arrive, of a provider that writes one each `every` seconds."""

	async def answer(request: web.Request) -> web.StreamResponse:
		response = web.StreamResponse(headers={"content-type": "text/event-stream"})
		await response.prepare(request)
		for number in range(count):
			await response.write(f'data: {{"n": {number}, "padding": "{padding}"}}\n\n'.encode())
			await asyncio.sleep(every)
		if breaks_off:
			assert request.transport
			request.transport.abort()
		return response

	async def ask() -> list[int]:
		app = web.Application()
		app.router.add_post("/", answer)
		runner = web.AppRunner(app)
		await runner.setup()
		site = web.TCPSite(runner, "127.0.0.1", 0)
		await site.start()
		came: list[int] = []
		try:
			url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
			for _ in range(answers):
				source = http.objects(lambda: (url, {}, b"{}"), NAMES, lambda: True, lambda: False)
				async with aclosing(source):
					async for messages in source:
						came += [message["n"] for message in messages]
		finally:
			await runner.cleanup()
		return came

	return asyncio.run_coroutine_threadsafe(ask(), provider_loop()).result(60)


def test_a_stream_that_flows_is_read_in_fewer_turns_than_it_has_chunks(reads: list[int]) -> None:
	assert numbers(every=0.005) == list(range(CHUNKS))
	assert len(reads) < CHUNKS / 2


def test_the_first_chunks_of_a_stream_are_read_as_they_come(reads: list[int]) -> None:
	assert numbers(every=0.01, count=10) == list(range(10))
	assert len(reads) >= 9


def test_a_connection_that_breaks_in_a_pause_loses_nothing(reads: list[int]) -> None:
	assert numbers(every=0.005, breaks_off=True) == list(range(CHUNKS))


def test_a_pause_ends_when_about_as_many_bytes_have_come_as_usual(pauses: list[int]) -> None:
	"""So the end of an answer, which comes with several events at once, seldom waits."""
	numbers(every=0.005)
	assert pauses and max(pauses) < read_pauses.MANY_BYTES / 2


@pytest.mark.parametrize("api", ["openai", "openai_responses", "anthropic", "gemini", "ollama_chat"])
def test_a_stream_does_not_pause_after_a_call_has_begun(
	server: ScriptedProvider, pauses: list[int], api: str
) -> None:
	"""The client makes the call as soon as the answer ends."""
	text = {"text": "word ", "repeat": 100, "every": 0.005}
	assert pieces_of(answer(server, api, [*call(0, '{"path": "a"}'), text])) == [("read", {"path": "a"})]
	assert not pauses
	answer(server, api, [text, *call(0, '{"path": "a"}')])
	assert pauses


def test_a_fast_provider_does_not_wait(pauses: list[int], reads: list[int]) -> None:
	assert numbers(every=0, count=2000, padding="x" * 2 * read_pauses.MANY_BYTES) == list(range(2000))
	assert len(pauses) < len(reads) / 2


def test_a_kept_connection_does_not_pause_in_the_next_answer() -> None:
	"""Otherwise the head of the next answer, which is short, would wait for MANY_BYTES."""
	assert numbers(every=0.005, answers=2) == 2 * list(range(CHUNKS))
