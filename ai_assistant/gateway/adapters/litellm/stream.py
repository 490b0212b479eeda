"""Reads a provider's stream into JSON objects, and passes them to litellm's parser.

litellm understands the objects of each provider. It does not read the stream itself, because litellm

- skips a line that is not JSON, so that an incomplete answer looks complete;
- treats a text that contains "[DONE]" as the end of the stream, and drops it;
- fails at a comment in Gemini's stream;
- ends a line at U+2028, as httpx does, although JSON allows it inside a string (it becomes a newline here);
- deletes `<think>` and `</think>` anywhere in an answer of Ollama;
- drops a `content` that is a list of parts, which Mistral's models send while they think;
- replaces a usage that arrives together with text by an estimate;
- reports "stop" if the provider only closed the connection;
- keeps the whole answer of Anthropic, and estimates the tokens of its reasoning on the loop, where a megabyte
  takes seconds.

The OpenAI SDK treats an event without data (a comment, after an event that had an id) as broken JSON.
"""

from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

from ... import continuation
from ...failures import failure
from ...sse import Objects, ProtocolError, flat, read_to_the_end

Parser = Callable[[dict[str, Any]], Any]
GEMINI = ("gemini", "vertex_ai", "vertex_ai_beta")


class Feed:
	"""Replaces the source of a litellm stream. Lines that litellm would read are read here."""

	def __init__(
		self, litellm: Any, stream: Any, source: Any, names: dict[str, str], heard: Callable[[Any], None]
	) -> None:
		"""Puts a feed between a stream of litellm and its source.

		`names` are those of the provider and the model, for an error in the stream. `heard` is called with
		each delta of litellm's parser, also with those that litellm does not pass on, such as signatures.
		"""
		self._litellm = litellm
		self._names = names
		self._heard = heard
		self._stream = stream
		self._source = source
		self._heard_end = False
		# Whether a part of the answer has arrived.
		self.begun = False
		# httpx's lines, and not a source that litellm gets from an SDK.
		self._lines: Any = getattr(source, "streaming_response", None)
		of_lines = getattr(self._lines, "__name__", None) == "aiter_lines" and hasattr(source, "chunk_parser")
		self._chunks = self._to_its_end(self._from_lines() if of_lines else self._from_sdk())
		if hasattr(source, "__aiter__"):
			stream.completion_stream = self

	@property
	def ended(self) -> bool:
		"""Whether the provider itself ended the answer, and did not just close the connection."""
		if self._stream.custom_llm_provider in GEMINI:
			# litellm reports "stop" for each of their chunks.
			return self._heard_end
		return bool(
			self._heard_end or self._stream.received_finish_reason or self._stream.intermittent_finish_reason
		)

	def __aiter__(self) -> AsyncIterator[Any]:
		return self._chunks

	async def aclose(self) -> None:
		await self._chunks.aclose()
		for source in (self._source, self._lines):
			if close := getattr(source, "aclose", None) or getattr(source, "close", None):
				await close()

	async def _to_its_end(self, chunks: AsyncGenerator[Any, None]) -> AsyncGenerator[Any, None]:
		"""Yields the chunks. If the provider has reported the end, a broken connection raises no error."""
		import aiohttp
		import httpx

		async with aclosing(chunks):
			try:
				async for chunk in chunks:
					self.begun = True
					yield chunk
			except (httpx.TransportError, aiohttp.ClientError, OSError, ProtocolError):
				if not self.ended:
					raise

	async def _from_lines(self) -> AsyncGenerator[Any, None]:
		parse: Parser = self._source.chunk_parser
		if self._stream.custom_llm_provider == "ollama_chat":
			parse = _with_its_tags(parse)
		if hasattr(self._source, "content_blocks"):
			parse = _forgetting(self._source, parse)
		parser = Objects()
		async for line in self._lines:
			for response in parser.of((line,)):
				self._heard_end = self._heard_end or _ends(response)
				if response is None:
					continue
				if response.get("error") is not None:
					raise failure(self._names, body=response["error"])
				try:
					chunk = parse(response)
				except Exception as error:
					raise ProtocolError() from error
				self._tell(chunk)
				yield chunk
		parser.end()

	async def _from_sdk(self) -> AsyncGenerator[Any, None]:
		if events := getattr(self._source, "_iter_events", None):
			self._source._iter_events = lambda: _with_data(events())
		async for chunk in self._source:
			usage = getattr(chunk, "usage", None)
			if usage is not None and hasattr(usage, "model_dump"):
				chunk.usage = self._litellm.Usage(**usage.model_dump())
			for choice in getattr(chunk, "choices", None) or []:
				delta: Any = getattr(choice, "delta", None)
				if isinstance(getattr(delta, "content", None), list):
					delta.reasoning_content, delta.content = flat(delta.content)
			self._tell(chunk)
			yield chunk

	def _tell(self, chunk: Any) -> None:
		for choice in getattr(chunk, "choices", None) or []:
			self._heard(getattr(choice, "delta", None))


async def _with_data(events: AsyncIterator[Any]) -> AsyncGenerator[Any, None]:
	async for event in events:
		if event.data.startswith("[DONE]"):
			# The SDK would hang up here.
			await read_to_the_end(events)
		if event.data:
			yield event


def _ends(response: dict[str, Any] | None) -> bool:
	"""Whether an object is an end of the answer that litellm does not report: `[DONE]`, or one of Gemini's ends."""
	if response is None or (response.get("promptFeedback") or {}).get("blockReason"):
		return True
	return any(candidate.get("finishReason") for candidate in response.get("candidates") or [])


def _with_its_tags(parse: Parser) -> Parser:
	"""Makes a parser that hides the text from Ollama's parser, which would delete `<think>` tags from it."""

	def parse_the_rest(response: dict[str, Any]) -> Any:
		message = response.get("message")
		if not message:
			return parse(response)
		chunk = parse({**response, "message": {**message, "content": ""}})
		chunk.choices[0].delta.content = message.get("content")
		return chunk

	return parse_the_rest


def _forgetting(source: Any, parse: Parser) -> Parser:
	"""Makes a parser that limits what Anthropic's parser keeps of a block: as much as a continuation can have."""
	source.reasoning_content_chunks = deque(maxlen=0)

	def parse_and_forget(response: dict[str, Any]) -> Any:
		chunk = parse(response)
		for unasked in (source.web_search_results, source.compaction_blocks, source.tool_results):
			unasked.clear()
		first, *others = source.content_blocks or [None]
		for other in others:
			for name in ("thinking", "partial_json"):
				if more := other["delta"].get(name):
					# One character more than a continuation can have shows that the block is too long.
					room = continuation.MAX_CHARS + 1 - len(begun := first["delta"].get(name) or "")
					first["delta"][name] = begun + more[:room]
		del source.content_blocks[1:]
		return chunk

	return parse_and_forget
