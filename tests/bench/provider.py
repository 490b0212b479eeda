"""The measuring provider: OpenAI's stream from bytes made beforehand, in a process of its own.

So cheap that what is measured is not it. The last user message says what to send, as JSON:
	{"chunks": n}                   n chunks, as fast as they are taken
	{"chunks": n, "every": s}       one each s seconds
The text of each chunk is the moment it was written, as CLOCK_MONOTONIC's seconds in 16 characters, which every
process of the machine reads from the same clock: who receives it knows how long it was on its way. Unpaced
chunks carry the moment the stream began.

Prints its port.
"""

import asyncio
import json
import sys
import time

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
STAMP = 16
# The size of a segment with the chunks of a fast provider.
BLOCK = 64


def _event(choices: str, more: str = "") -> bytes:
	body = (
		'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"scripted",'
		f'"choices":[{choices}]{more}}}\n\n'
	).encode()
	return b"%x\r\n%s\r\n" % (len(body), body)


def _choice(delta: str, finish: str = "null") -> str:
	return f'{{"index":0,"delta":{delta},"finish_reason":{finish}}}'


START = _event(_choice('{"role":"assistant","content":""}'))
BEFORE, AFTER = _event(_choice(f'{{"content":"{"#" * STAMP}"}}')).split(b"#" * STAMP)
DONE = b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n"


def _end(chunks: int) -> bytes:
	usage = f',"usage":{{"prompt_tokens":10,"completion_tokens":{chunks},"total_tokens":{chunks + 10}}}'
	return _event(_choice("{}", '"stop"')) + _event("", usage) + DONE


def stamp() -> bytes:
	return b"%15.6f " % time.monotonic()


class Provider(asyncio.Protocol):
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
		if self._answering:
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
		wanted = json.loads(json.loads(body)["messages"][-1]["content"]) if body else {"chunks": 1}
		self._answering = asyncio.get_running_loop().create_task(self._answer(**wanted))

	async def _answer(self, chunks: int, every: float = 0) -> None:
		write = self._transport.write
		write(HEAD + START)
		if every:
			began = time.monotonic()
			for n in range(chunks):
				await asyncio.sleep(began + n * every - time.monotonic())
				write(BEFORE + stamp() + AFTER)
		else:
			event = BEFORE + stamp() + AFTER
			block = event * BLOCK
			for _ in range(chunks // BLOCK):
				write(block)
				await self._takes.wait()
			write(event * (chunks % BLOCK))
		write(_end(chunks))


async def main(port: int) -> None:
	server = await asyncio.get_running_loop().create_server(Provider, "127.0.0.1", port, backlog=1000)
	print(server.sockets[0].getsockname()[1], flush=True)
	await server.serve_forever()


if __name__ == "__main__":
	try:
		asyncio.run(main(int(sys.argv[1]) if sys.argv[1:] else 0))
	except KeyboardInterrupt:
		pass
