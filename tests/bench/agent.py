"""An agent of many rounds before a server that caches prompts as providers do: how much is read, and what is booked."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from ai_assistant.gateway import Gateway, Provider, ToolCall
from tests.support.prompt_cache import PromptCache
from tests.support.serving import serving

ROUNDS = 20
# In US dollars a million tokens: input, read from the cache, written to it, output.
PRICES = {
	"anthropic": ("claude-sonnet-4-5", 3, 0.3, 3.75, 15),
	"openai": ("gpt-5", 1.25, 0.125, 1.25, 10),
	"openai_responses": ("gpt-5", 1.25, 0.125, 1.25, 10),
	"gemini": ("gemini-2.5-pro", 1.25, 0.125, 1.25, 10),
}
OUTPUT = 40
TOOL = {
	"type": "function",
	"function": {
		"name": "read",
		"description": "Reads a file. " * 40,
		"parameters": {"type": "object", "properties": {"path": {"type": "string"}}},
	},
}


class CachingServer:
	"""The prompts that a provider has in its cache, and the cost of its answers."""

	def __init__(self, api: str) -> None:
		self.api = api
		self._cache = PromptCache(has_markers=api == "anthropic")
		self.read = self.sent = 0
		self.dollars = 0.0
		self.rounds = 0

	def answer(self, body: dict[str, Any]) -> bytes:
		prompt, cached, written = self._cache.look(body)
		_model, dear, cheap, writing, speech = PRICES[self.api]
		self.dollars += (
			(prompt - cached - written) * dear + cached * cheap + written * writing + OUTPUT * speech
		)
		self.read, self.sent, self.rounds = self.read + cached, self.sent + prompt, self.rounds + 1
		last = self.rounds > ROUNDS
		return b"".join(_events(self.api, self.rounds, last, prompt, cached, written))


def _events(api: str, n: int, last: bool, prompt: int, cached: int, written: int) -> Iterator[bytes]:
	"""A call of the tool, or the end."""
	arguments = json.dumps({"path": f"{n}.txt"})

	def event(**fields: Any) -> bytes:
		return b"data: %s\n\n" % json.dumps(fields).encode()

	if api == "anthropic":
		counts = {"input_tokens": prompt - cached - written, "cache_read_input_tokens": cached}
		yield event(
			type="message_start", message={"usage": {**counts, "cache_creation_input_tokens": written}}
		)
		block = {"type": "tool_use", "id": f"toolu_{n}", "name": "read", "input": {}}
		block = {"type": "text", "text": "Done."} if last else block
		yield event(type="content_block_start", index=0, content_block=block)
		if not last:
			delta = {"type": "input_json_delta", "partial_json": arguments}
			yield event(type="content_block_delta", index=0, delta=delta)
		yield event(type="content_block_stop", index=0)
		reason = {"stop_reason": "end_turn" if last else "tool_use"}
		yield event(type="message_delta", delta=reason, usage={"output_tokens": OUTPUT})
	elif api == "openai":
		call = {"index": 0, "id": f"call_{n}", "function": {"name": "read", "arguments": arguments}}
		delta = {"content": "Done."} if last else {"tool_calls": [call]}
		usage = {
			"prompt_tokens": prompt,
			"completion_tokens": OUTPUT,
			"prompt_tokens_details": {"cached_tokens": cached},
		}
		yield event(choices=[{"index": 0, "delta": delta, "finish_reason": "stop"}], usage=usage)
	elif api == "gemini":
		part = (
			{"text": "Done."} if last else {"functionCall": {"name": "read", "args": json.loads(arguments)}}
		)
		counts = {
			"promptTokenCount": prompt,
			"cachedContentTokenCount": cached,
			"candidatesTokenCount": OUTPUT,
		}
		yield event(candidates=[{"content": {"parts": [part]}, "finishReason": "STOP"}], usageMetadata=counts)
	else:
		named = {"call_id": f"call_{n}", "name": "read", "arguments": arguments}
		item = {"type": "function_call", **named}
		if last:
			item = {"type": "message", "content": [{"type": "output_text", "text": "Done."}]}
		details = {"cached_tokens": cached}
		usage = {"input_tokens": prompt, "output_tokens": OUTPUT, "input_tokens_details": details}
		yield event(
			type="response.completed", response={"status": "completed", "output": [item], "usage": usage}
		)


@contextmanager
def cached_provider(caching: CachingServer) -> Iterator[str]:
	class Handler(BaseHTTPRequestHandler):
		def do_POST(self) -> None:
			answer = caching.answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
			self.send_response(200)
			self.send_header("Content-Type", "text/event-stream")
			self.send_header("Content-Length", str(len(answer)))
			self.end_headers()
			self.wfile.write(answer)

		def log_message(self, *_: Any) -> None:
			pass

	with serving(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as address:
		yield f"{address}/v1"


def run(api: str) -> tuple[float, float]:
	"""Runs an agent.

	Returns: the share of all tokens sent that the server read from its cache, in percent, and by how many percent the cost
	that was booked differs from the one by hand.
	"""
	caching, booked = CachingServer(api), 0.0
	with cached_provider(caching) as base:
		one = Gateway([Provider("p", api, "-", PRICES[api][0], api_base=base)])
		messages: list[dict[str, Any]] = [
			{"role": "system", "content": "You are a careful software engineer. " * 150},
			{"role": "user", "content": "Read all of the files."},
		]
		while True:
			*chunks, end = one.stream_generate(messages, tools=[TOOL], cache_key="task")
			assert end.usage and end.usage.cost_usd is not None  # type: ignore[union-attr]
			booked += end.usage.cost_usd  # type: ignore[union-attr]
			calls = [chunk for chunk in chunks if isinstance(chunk, ToolCall)]
			if not calls:
				break
			made = [
				{"id": c.id, "type": "function", "function": {"name": c.name, "arguments": c.arguments}}
				for c in calls
			]
			messages.append({"role": "assistant", "content": None, "tool_calls": made})
			messages += [
				{"role": "tool", "tool_call_id": c.id, "content": "A line of the file.\n" * 30} for c in calls
			]
	by_hand = caching.dollars / 1e6
	return 100 * caching.read / caching.sent, 100 * abs(booked - by_hand) / by_hand
