"""The measuring provider: the streams of three APIs from bytes made beforehand, in a process of its own.

So cheap that what is measured is not it. The last user message says what to send, as JSON:
	{"chunks": n}                   n chunks, as fast as they are taken
	{"chunks": n, "every": s}       one each s seconds
	{"chunks": n, "silent": s}      nothing for s seconds, then n chunks
The text of each chunk is the moment it was written, as CLOCK_MONOTONIC's seconds in 16 characters, which every
process of the machine reads from the same clock: who receives it knows how long it was on its way. Unpaced
chunks carry the moment the stream began.

`GET /closed` tells when connections were closed before the end of their answer. Prints its port.
"""

import asyncio
import json
import sys
import time
from collections.abc import Callable
from typing import Any, ClassVar

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
STAMP = 16
# The size of a segment with the chunks of a fast provider.
BLOCK = 64


def _event(data: dict[str, Any], name: str = "") -> bytes:
	body = (f"event: {name}\n" if name else "") + f"data: {json.dumps(data, separators=(',', ':'))}\n\n"
	return b"%x\r\n%s\r\n" % (len(body), body.encode())


def _typed(data: dict[str, Any]) -> bytes:
	return _event(data, data["type"])


class Wire:
	"""A stream of one API: `start`, then `before`, a stamp and `after` for each chunk, then `end(chunks)`."""

	def __init__(self, start: bytes, chunk: bytes, end: Callable[[int], bytes]) -> None:
		self.start, self.end = start, end
		self.before, self.after = chunk.split(b"#" * STAMP)


def _chat() -> Wire:
	whole = {
		"id": "chatcmpl-1",
		"object": "chat.completion.chunk",
		"created": 1700000000,
		"model": "scripted",
	}

	def event(delta: dict[str, Any], finish: str | None = None) -> bytes:
		return _event({**whole, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})

	def end(chunks: int) -> bytes:
		usage = {"prompt_tokens": 10, "completion_tokens": chunks, "total_tokens": chunks + 10}
		counted = _event({**whole, "choices": [], "usage": usage})
		return event({}, "stop") + counted + b"e\r\ndata: [DONE]\n\n\r\n"

	return Wire(event({"role": "assistant", "content": ""}), event({"content": "#" * STAMP}), end)


def _messages() -> Wire:
	def end(chunks: int) -> bytes:
		delta = {"stop_reason": "end_turn", "stop_sequence": None}
		ends: list[dict[str, Any]] = [
			{"type": "content_block_stop", "index": 0},
			{"type": "message_delta", "delta": delta, "usage": {"output_tokens": chunks}},
			{"type": "message_stop"},
		]
		return b"".join(map(_typed, ends))

	message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": []}
	usage = {"input_tokens": 10, "output_tokens": 1}
	message |= {"stop_reason": None, "stop_sequence": None, "usage": usage}
	block = {"type": "text", "text": ""}
	start = _typed({"type": "message_start", "message": message})
	start += _typed({"type": "content_block_start", "index": 0, "content_block": block})
	delta = {"type": "text_delta", "text": "#" * STAMP}
	return Wire(start, _typed({"type": "content_block_delta", "index": 0, "delta": delta}), end)


def _responses() -> Wire:
	text = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
	item = {"id": "msg_1", "type": "message", "role": "assistant", "status": "in_progress", "content": []}
	response = {"id": "resp_1", "object": "response", "created_at": 1700000000, "model": "m", "output": []}
	response |= {"parallel_tool_calls": True, "tool_choice": "auto", "tools": [], "status": "in_progress"}
	at = {"item_id": "msg_1", "output_index": 0, "content_index": 0}

	def end(chunks: int) -> bytes:
		usage = {"input_tokens": 10, "output_tokens": chunks, "total_tokens": chunks + 10}
		usage |= {
			"input_tokens_details": {"cached_tokens": 0},
			"output_tokens_details": {"reasoning_tokens": 0},
		}
		done = {**item, "status": "completed", "content": [text]}
		final = {**response, "status": "completed", "output": [done], "usage": usage}
		ends: list[dict[str, Any]] = [
			{"type": "response.output_item.done", "sequence_number": 4, "output_index": 0, "item": done},
			{"type": "response.completed", "sequence_number": 5, "response": final},
		]
		return b"".join(map(_typed, ends))

	start = _typed({"type": "response.created", "sequence_number": 0, "response": response})
	added = {"type": "response.output_item.added", "sequence_number": 1, "output_index": 0, "item": item}
	start += _typed(added)
	start += _typed({"type": "response.content_part.added", "sequence_number": 2, **at, "part": text})
	delta = {"type": "response.output_text.delta", "sequence_number": 3, **at, "delta": "#" * STAMP}
	return Wire(start, _typed({**delta, "logprobs": []}), end)


WIRES = {b"completions": _chat(), b"messages": _messages(), b"responses": _responses()}
LAST = b"0\r\n\r\n"


def stamp() -> bytes:
	return b"%15.6f " % time.monotonic()


def _wanted(body: dict[str, Any]) -> dict[str, Any]:
	"""What the last message of a request of any of the APIs says."""
	given = body.get("messages") or body["input"]
	content = given if isinstance(given, str) else given[-1]["content"]
	wanted: dict[str, Any] = json.loads(content if isinstance(content, str) else content[-1]["text"])
	return wanted


class Provider(asyncio.Protocol):
	closed: ClassVar[list[float]] = []
	"""When each connection was closed whose answer had not ended."""

	def connection_made(self, transport: asyncio.BaseTransport) -> None:
		assert isinstance(transport, asyncio.Transport)
		self._transport = transport
		self._received = b""
		self._takes = asyncio.Event()
		self._takes.set()
		self._answering: asyncio.Task[None] | None = None

	def pause_writing(self) -> None:
		self._takes.clear()

	def resume_writing(self) -> None:
		self._takes.set()

	def connection_lost(self, exc: Exception | None) -> None:
		if self._answering and not self._answering.done():
			Provider.closed.append(time.monotonic())
			self._answering.cancel()

	def data_received(self, data: bytes) -> None:
		self._received += data
		head, end, body = self._received.partition(b"\r\n\r\n")
		if not end:
			return
		lengths = [
			int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")
		]
		if len(body) < sum(lengths):
			return
		self._received = b""
		path = head.split(b" ", 2)[1].partition(b"?")[0]
		if path == b"/closed":
			told = json.dumps(Provider.closed).encode()
			self._transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(told), told))
			return
		wire = WIRES.get(path.rpartition(b"/")[2], WIRES[b"completions"])
		wanted = _wanted(json.loads(body)) if body else {"chunks": 1}
		self._answering = asyncio.get_running_loop().create_task(self._answer(wire, **wanted))

	async def _answer(self, wire: Wire, chunks: int, every: float = 0, silent: float = 0) -> None:
		write = self._transport.write
		await asyncio.sleep(silent)
		write(HEAD + wire.start)
		if every:
			began = time.monotonic()
			for n in range(chunks):
				await asyncio.sleep(began + n * every - time.monotonic())
				write(wire.before + stamp() + wire.after)
		else:
			event = wire.before + stamp() + wire.after
			block = event * BLOCK
			for _ in range(chunks // BLOCK):
				write(block)
				await self._takes.wait()
			write(event * (chunks % BLOCK))
		write(wire.end(chunks) + LAST)


async def main(port: int) -> None:
	server = await asyncio.get_running_loop().create_server(Provider, "127.0.0.1", port, backlog=1000)
	print(server.sockets[0].getsockname()[1], flush=True)
	await server.serve_forever()


if __name__ == "__main__":
	try:
		asyncio.run(main(int(sys.argv[1]) if sys.argv[1:] else 0))
	except KeyboardInterrupt:
		pass
