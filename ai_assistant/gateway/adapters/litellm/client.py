"""Imports litellm, and translates a question into its arguments.

The import takes 2 to 4 s and 160 to 250 MB. It happens at the first question, on a thread of its own, so that the loop
serves other streams meanwhile.
"""

import asyncio
import atexit
import logging
import os
import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from ... import sse
from ...bridge import provider_loop
from ...chunks import Ask, Provider
from ...failures import ENDS
from ...usage import Usage, estimated_tokens, tokens
from ..options import options_of

# Ollama has no tool_choice. litellm sends it nevertheless, and then its requests hang.
TAKES_NO_CHOICE = ("ollama", "ollama_chat")


def load() -> Any:
	"""Imports litellm once, and sets it up so that it streams and does nothing else."""
	# Before the import: else it fetches a price list from the network, and loads a .env file of the folder.
	os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
	os.environ.setdefault("LITELLM_MODE", "PRODUCTION")
	import litellm

	if not litellm.disable_streaming_logging:
		litellm.suppress_debug_info = True
		litellm.telemetry = False
		# A hundred equal chunks are an error to litellm; to a user they are a table or an ASCII drawing.
		litellm.REPEATED_STREAMING_CHUNK_LIMIT = 10**9  # type: ignore[attr-defined]
		# litellm would fetch a tokenizer from the network to estimate tokens that a provider has not counted.
		litellm.disable_hf_tokenizer_download = True
		# litellm would ask Ollama's server about the model, synchronously and several times for each question. The
		# whole loop would wait for it.
		# nosemgrep: frappe-monkey-patching-not-allowed
		from litellm.llms.ollama.common_utils import OllamaModelInfo

		OllamaModelInfo.get_model_info = lambda *_, **__: None  # type: ignore[method-assign]
		_fetch_no_images(litellm)
		# litellm would send Gemini only one of two equal calls in a turn, but both results. Gemini refuses
		# that.
		# nosemgrep: frappe-monkey-patching-not-allowed
		from litellm.llms.vertex_ai.gemini import transformation

		transformation.check_if_part_exists_in_parts = lambda *_, **__: False
		# A redirect would send the question to another server, and the key too if its header is not
		# Authorization.
		# nosemgrep: frappe-monkey-patching-not-allowed
		from litellm.llms.custom_httpx.http_handler import AsyncHTTPHandler

		# The same in the clients of OpenAI.
		# nosemgrep: frappe-monkey-patching-not-allowed
		from litellm.llms.openai.common_utils import BaseOpenAILLM

		AsyncHTTPHandler.create_client = _harmless(AsyncHTTPHandler.create_client)  # type: ignore[method-assign]
		BaseOpenAILLM._get_async_http_client = staticmethod(  # type: ignore[method-assign]
			_harmless(BaseOpenAILLM._get_async_http_client)
		)
		# litellm treats unknown finish reasons, and some failures, as a regular end.
		reasons: dict[str, Any] = litellm.litellm_core_utils.core_helpers._FINISH_REASON_MAP
		reasons.update({cased: ours for name, ours in ENDS.items() for cased in (name, name.upper())})
		# pydantic warns once a request, because of how litellm serialises its Responses objects.
		warnings.filterwarnings("ignore", "Pydantic serializer warnings", UserWarning, r"pydantic\.main")
		# Its warnings quote the provider's bodies.
		for name in ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy"):
			logging.getLogger(name).setLevel(logging.CRITICAL)
		# At exit litellm would close its clients on another loop, and Python 3.14 reports that as an error.
		# nosemgrep: frappe-monkey-patching-not-allowed
		from litellm.llms.custom_httpx import async_client_cleanup

		async_client_cleanup.register_async_client_cleanup = lambda: None
		atexit.register(_close_at_exit, litellm)
		# The logging of streams costs more CPU than a stream. This is last, so that other threads wait until
		# all is set.
		litellm.disable_streaming_logging = True
	return litellm


async def close_clients(litellm: Any) -> None:
	"""Closes all clients that litellm has made on this loop. The next question makes a new one."""
	await litellm.close_litellm_async_clients()
	litellm.in_memory_llm_clients_cache.flush_cache()


def _close_at_exit(litellm: Any) -> None:
	# A forked child has no clients before its first question.
	if litellm.in_memory_llm_clients_cache.cache_dict:
		with suppress(Exception):
			asyncio.run_coroutine_threadsafe(close_clients(litellm), provider_loop()).result(timeout=1)


def _fetch_no_images(litellm: Any) -> None:
	"""Forbids litellm to fetch the links of a client's images, which it does to send the data or to estimate the tokens.

	A link may point into the site's own network, and litellm fetches synchronously, which would block the whole loop.
	"""
	from litellm.litellm_core_utils import token_counter
	from litellm.litellm_core_utils.prompt_templates import factory, image_handling

	def refuse(_client: Any, _url: str, **_: Any) -> Any:
		raise litellm.ImageFetchError("Error: Unable to fetch image from URL")

	modules: tuple[Any, ...] = (factory, image_handling, token_counter)
	for module in modules:
		# It raises before anything is awaited, so it also takes the place of a coroutine.
		module.safe_get = module.async_safe_get = refuse


def _harmless(make: Callable[..., Any]) -> Callable[..., Any]:
	"""Wraps a function that makes httpx clients. The clients follow no redirect, and limit the length of a line.

	They accept no compressed response, because a few compressed bytes can become a line of any length.
	"""
	import httpx

	class Bounded(httpx.AsyncByteStream):
		def __init__(self, body: Any) -> None:
			self._body = body

		async def __aiter__(self) -> AsyncIterator[bytes]:
			size = 0
			async for data in self._body:
				begin = data.rfind(b"\n") + 1
				size = len(data) - begin if begin else size + len(data)
				if size > sse.MAX_BYTES:
					raise sse.ProtocolError()
				yield data

		async def aclose(self) -> None:
			await self._body.aclose()

	async def bound(response: httpx.Response) -> None:
		if response.headers.get("content-encoding", "identity") != "identity":
			raise sse.ProtocolError()
		response.stream = Bounded(response.stream)

	def made(*args: Any, **kwargs: Any) -> Any:
		client = make(*args, **kwargs)
		client.follow_redirects = False
		client.headers["accept-encoding"] = "identity"
		# `make` may return a client that it has made before.
		if bound not in (hooks := client.event_hooks["response"]):
			hooks.append(bound)
		return client

	return made


def parameters(
	litellm: Any, api: str, ask: Ask, messages: list[dict[str, Any]]
) -> tuple[dict[str, Any], tuple[str, ...]]:
	"""Returns the parameters that the model accepts, and the names of the others. `tools` are unchanged.

	`messages` are those of the question in the form of litellm. Claude continues its thinking only if it gets
	its thoughts back.

	litellm's own `drop_params` is not enough. It sends Claude a temperature together with thinking, which
	Anthropic refuses. It raises an error on `reasoning_effort` for an unknown model, and sends a thinking
	budget above max_tokens. The parameters are therefore translated here first, and those that do not fit are
	removed.
	"""
	wanted: dict[str, Any] = {
		"temperature": ask.temperature,
		"max_tokens": ask.max_tokens,
		"reasoning_effort": ask.reasoning_effort,
		**options_of(ask),
	}
	if ask.tools:
		wanted |= {"tools": ask.tools, "tool_choice": ask.tool_choice}
	wanted = {name: value for name, value in wanted.items() if value is not None}
	known = litellm.get_supported_openai_params(model=ask.model, custom_llm_provider=api) or []
	sent = {name: value for name, value in wanted.items() if name in known}
	if "reasoning_effort" in sent and not _takes_effort(litellm, api, ask):
		del sent["reasoning_effort"]
	if api in TAKES_NO_CHOICE and sent.pop("tool_choice", None) == "none":
		del sent["tools"]

	plain = {name: value for name, value in sent.items() if name not in ("tools", "tool_choice")}
	translated = litellm.utils.get_optional_params(
		model=ask.model, custom_llm_provider=api, drop_params=True, **plain
	)
	if "temperature" not in translated:
		# The model accepts only some temperatures.
		sent.pop("temperature", None)
	thinking = translated.get("thinking") or {}
	budget, limit = thinking.get("budget_tokens"), sent.get("max_tokens")
	of_claude = budget or thinking.get("type") == "adaptive"
	if (
		(budget and limit and budget >= limit)
		or (of_claude and ask.forces_a_call)
		or (budget and _lacks_its_thinking(messages))
	):
		del sent["reasoning_effort"]
		thinking = {}
	if thinking.get("type") in ("enabled", "adaptive"):
		sent.pop("temperature", None)
	dropped = wanted.keys() - sent.keys()
	if ask.tool_choice == "none" and "tools" in dropped:
		# Without tools the result is the same.
		dropped -= {"tools", "tool_choice"}
	return sent, tuple(sorted(dropped))


def _lacks_its_thinking(messages: list[dict[str, Any]]) -> bool:
	"""Whether the last calls are in the messages without the thinking that led to them."""
	last: dict[str, Any] = next((message for message in reversed(messages) if message["role"] != "tool"), {})
	return bool(last.get("tool_calls")) and not last.get("thinking_blocks")


def _takes_effort(litellm: Any, api: str, ask: Ask) -> bool:
	if not litellm.supports_reasoning(model=ask.model, custom_llm_provider=api):
		return False
	if ask.reasoning_effort != "none":
		return True
	info = litellm.get_model_info(model=ask.model, custom_llm_provider=api)
	return bool(info.get("supports_none_reasoning_effort"))


def usage(litellm: Any, provider: Provider, model: str, raw: Any, thought_bytes: int) -> Usage | None:
	"""Converts litellm's usage. `thought_bytes` are those of the reasoning."""
	if raw is None:
		return None
	prompt, completion = tokens(raw.prompt_tokens), tokens(raw.completion_tokens)
	details = getattr(raw, "completion_tokens_details", None)
	reasoning = tokens(getattr(details, "reasoning_tokens", None)) or min(
		completion, estimated_tokens(thought_bytes)
	)
	of_prompt = getattr(raw, "prompt_tokens_details", None)
	written = getattr(of_prompt, "cache_creation_tokens", None) or getattr(
		raw, "cache_creation_input_tokens", None
	)
	counted = Usage(
		prompt_tokens=prompt,
		completion_tokens=completion,
		reasoning_tokens=reasoning,
		total_tokens=tokens(raw.total_tokens) or tokens(prompt + completion),
		cached_tokens=min(prompt, tokens(getattr(of_prompt, "cached_tokens", None))),
		cache_write_tokens=min(prompt, tokens(written)),
	)
	if price := provider.price(model):
		return replace(counted, cost_usd=price.cost_usd(counted))
	# litellm raises a bare Exception for a model it has no price of.
	with suppress(Exception):
		costs = litellm.cost_per_token(model=model, custom_llm_provider=provider.api, usage_object=raw)
		return replace(counted, cost_usd=sum(costs))
	return counted
