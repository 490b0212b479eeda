"""Measures the CPU that this app needs to check and send long conversations: `python -m tests.bench.long_conversation`.

The conversation is that of an agent: a question, and then calls and their results in turns. What is measured goes from
the decoded body to the bytes of the request to the provider: validation, the keys of the calls, the length for the row
and for the window of the model, and the adapter. The time of the JSON decoder of the web server, of the store, of the
network and of the provider is not in it. The memory is the most that is allocated beside the decoded body.
"""

import asyncio
import json
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from typing import Any
from unittest.mock import patch

from ai_assistant.standalone import stand_in

stand_in.install()

import frappe

from ai_assistant.chat import continuations, request
from ai_assistant.config import forms
from ai_assistant.config.settings import Settings, load
from ai_assistant.gateway import Gateway, adapters, caching, http

forms.switch_off()

RUNS = 15
SIZES = ((250, 0.5), (500, 1.0), (1000, 2.0), (2000, 4.0))
"""The messages and the megabytes of each conversation."""
MODELS = {"openai": "gpt-5.2", "anthropic": "claude-sonnet-4-5"}
TOOLS = [{"type": "function", "function": {"name": "read", "parameters": {"type": "object"}}}]


def conversation(messages: int, megabytes: float) -> list[dict[str, Any]]:
	"""Makes a conversation of an agent. One of two messages is the result of a call."""
	# What is around a text, and the escapes in it, make up a quarter.
	size = round(megabytes * 0.75e6 / messages)
	text = 'def answer(text):\n\treturn "é" + text\n'
	text = (text * (size // len(text) + 1))[:size]
	made: list[dict[str, Any]] = [{"role": "user", "content": text}]
	while len(made) < messages - 1:
		# As unique as the ids of the large providers.
		identity = f"call_{sha256(str(len(made)).encode()).hexdigest()[:24]}"
		call = {"id": identity, "type": "function", "function": {"name": "read"}}
		call["function"]["arguments"] = json.dumps({"path": text})
		made.append({"role": "assistant", "content": None, "tool_calls": [call]})
		made.append({"role": "tool", "tool_call_id": call["id"], "content": text})
	return made


def cpu_ms(work: Callable[[], Any]) -> float:
	"""Returns the CPU time of the least disturbed of some runs, in milliseconds."""
	took = []
	for _run in range(RUNS):
		began = time.process_time()
		work()
		took.append((time.process_time() - began) * 1000)
	return min(took)


def peak_mb(work: Callable[[], Any]) -> float:
	"""Returns the most memory that is allocated at one time, in megabytes."""
	tracemalloc.start()
	try:
		work()
		return tracemalloc.get_traced_memory()[1] / 1e6
	finally:
		tracemalloc.stop()


class Sent(BaseException):
	"""The request to the provider is ready."""


def _sent(*_request: Any, **_more: Any) -> None:
	raise Sent


def send(settings: Settings, valid: request.ChatRequest, api: str) -> None:
	"""Does what the gateway does with a question until its request to a provider is ready."""
	provider, model = Gateway(settings.providers).route(api, MODELS[api])[0]
	ask = replace(valid, model=model)
	if provider.api not in caching.MARKED:
		ask = caching.without_markers(ask)

	async def read() -> None:
		async for _chunk in adapters.answer(provider, ask):
			pass

	try:
		asyncio.run(read())
	except Sent:
		return
	raise AssertionError("the request was not sent")


def measure() -> list[tuple[int, float, dict[str, float]]]:
	"""Returns for each of SIZES the CPU milliseconds of each step and of all for the slower provider, and the memory in MB."""
	common = {"api_key": "k", "models": ["*"]}
	providers = [{"name": api, "api": api, "default_model": model, **common} for api, model in MODELS.items()]
	limits = {"max_chars": 100_000_000}
	frappe.local.conf = frappe._dict(ai_assistant={"providers": providers, "limits": limits})
	frappe.local.site = "bench"
	settings = load()
	figures = []
	with patch.object(http, "request", _sent), patch.object(http, "objects", _sent):
		for count, megabytes in SIZES:
			fields = {"messages": conversation(count, megabytes), "tools": TOOLS}
			fields["max_tokens"] = 1000
			valid = request.validate(fields, settings)
			steps = {
				"check (ms)": cpu_ms(lambda fields=fields: request.validate(fields, settings)),
				"keys of the calls (ms)": cpu_ms(lambda valid=valid: continuations.keys_in(valid)),
				"count twice (ms)": cpu_ms(lambda valid=valid: valid.prompt_bytes + valid.prompt_bytes),
			}
			sending = [cpu_ms(lambda valid=valid, api=api: send(settings, valid, api)) for api in MODELS]
			together = sum(steps.values()) + max(sending)
			steps |= {f"send to {api} (ms)": ms for api, ms in zip(MODELS, sending, strict=True)}
			steps["all (ms)"] = together
			steps["memory (MB)"] = peak_mb(
				lambda fields=fields: send(settings, request.validate(fields, settings), "anthropic")
			)
			figures.append((count, megabytes, steps))
	return figures


def main() -> None:
	"""Prints the figures as a Markdown table."""
	figures = measure()
	names = list(figures[0][2])
	print(f"| messages | MB | {' | '.join(names)} |")
	print("| --- " * (len(names) + 2) + "|")
	for count, megabytes, steps in figures:
		print(f"| {count} | {megabytes:g} | {' | '.join(f'{steps[name]:.1f}' for name in names)} |")


if __name__ == "__main__":
	main()
