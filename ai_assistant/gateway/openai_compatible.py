"""The adapter for every provider whose API is OpenAI's chat completions: no more than HTTP, lines and JSON.

Measured as bare loops over the same streams, in µs of CPU a chunk: one as fast as it is taken, one at 50 a second, a hundred
at 50 a second: aiohttp and JSON 5, 285, 47; httpx and JSON 14, 512, 327; the OpenAI SDK's events without its models 15, 470,
354; litellm 400, 1,200. aiohttp reads in a callback of the loop and parses in C; the others wake a task through several
layers for each chunk. Neither the SDK nor httpx-sse bounds the length of a line.
"""

import asyncio
import atexit
import json
import os
import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from . import continuation, model_list
from .chunks import Ask, Completion, Provider, Reasoning, Text, Usage, tokens
from .errors import ProviderError, failure, finish_reason
from .lines import MAX_BYTES, Junk, Lines, Objects, flat, read_to_the_end, string
from .proxies import UnusableProxy, proxy_for
from .tool_calls import OwnIds, ToolPiece, sendable, tool_piece

if TYPE_CHECKING:
	import ssl

	import aiohttp


@dataclass(frozen=True, slots=True)
class Api:
	"""What is particular about one API: where it is, and what it does not take as OpenAI's does."""

	base: str | None = None
	usage_is_asked_for: bool = True
	takes_parts: bool = True
	takes_effort: bool = True


# By litellm's names. What is behind one that has no address of its own (vLLM, LM Studio) needs an api_base.
APIS = {
	"deepseek": Api("https://api.deepseek.com", takes_parts=False),
	"fireworks_ai": Api("https://api.fireworks.ai/inference/v1"),
	"groq": Api("https://api.groq.com/openai/v1"),
	"hosted_vllm": Api(),
	"lm_studio": Api(),
	# It refuses what it does not know. Its models that think do so without being asked.
	"mistral": Api(
		"https://api.mistral.ai/v1", usage_is_asked_for=False, takes_parts=False, takes_effort=False
	),
	"openai": Api("https://api.openai.com/v1"),
	"openrouter": Api("https://openrouter.ai/api/v1"),
	"together_ai": Api("https://api.together.xyz/v1", takes_effort=False),
	"xai": Api("https://api.x.ai/v1"),
}

# OpenAI's models that reason: they count max_tokens by another name, and take one temperature only.
REASONS = re.compile(r"(ft:)?(o\d|gpt-5(?!-chat))")
# Those of them that refuse to reason beside tools, which by the Responses API they do.
NO_REASONING_WITH_TOOLS = re.compile(r"(ft:)?gpt-5\.([4-9]|\d\d)")
# By whose names Gemini's signature of a call stands in its `extra_content`.
SIGNERS = ("google", "vertex")
# Of an error's body; what a provider says of its reason is in its beginning.
MAX_ERROR_BYTES = 64 * 1024
IDLE_CONNECTION_S = 55
# Of one header, and how many: as much as browsers take. aiohttp gives up on a policy or a cookie of 8 KB.
MAX_HEADER_BYTES = 256 * 1024
MAX_HEADERS = 1024
# What the app says itself in each request, or what is an argument of litellm's and not of an API.
OWN = frozenset(
	"api_base api_key base_url custom_llm_provider drop_params extra_body extra_headers headers max_retries"
	" messages model organization stream timeout".split()
)

_clients: "dict[asyncio.AbstractEventLoop, aiohttp.ClientSession]" = {}


class UnreadableAuthorities(Exception):
	"""The certificate authorities that the environment names cannot be read."""


@lru_cache
def _certificates() -> "ssl.SSLContext":
	"""Who is trusted: whom the environment names, by OpenSSL's own names, or else the authorities of browsers."""
	import ssl

	import certifi

	file, folder = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
	try:
		return ssl.create_default_context(
			cafile=file or (None if folder else certifi.where()), capath=folder or None
		)
	except OSError:
		raise UnreadableAuthorities() from None


def _new_client(certificates: "ssl.SSLContext", *, force_close: bool = False) -> "aiohttp.ClientSession":
	import aiohttp

	async def tell(_client: object, context: Any, _told: object) -> None:
		context.trace_request_ctx["reused"] = True

	tracing = aiohttp.TraceConfig()
	tracing.on_connection_reuseconn.append(tell)
	kept: dict[str, Any] = {"force_close": True} if force_close else {"keepalive_timeout": IDLE_CONNECTION_S}
	return aiohttp.ClientSession(
		connector=aiohttp.TCPConnector(ssl=certificates, limit=0, **kept),
		# Deadlines are the gateway's, which hangs up.
		timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
		# All providers and keys share the client: what one sets must not be sent by another.
		cookie_jar=aiohttp.DummyCookieJar(),
		headers={"user-agent": "ai_assistant", "accept-encoding": "identity"},
		trace_configs=[tracing],
		max_line_size=MAX_HEADER_BYTES,
		max_field_size=MAX_HEADER_BYTES,
		max_headers=MAX_HEADERS,
	)


# aiohttp would look anew for each question, on two threads.
_proxy = lru_cache(proxy_for)


async def load() -> "aiohttp.ClientSession":
	"""What a first question needs, on this loop: 0.2 s of imports, certificates and the list of models, once.

	One client a loop, and so a process: a forked child's loop is its own.
	"""
	loop = asyncio.get_running_loop()
	if loop not in _clients:
		certificates = await asyncio.to_thread(_certificates)
		await asyncio.to_thread(model_list.load)
		# Another question may have waited for the same.
		if loop not in _clients:
			_clients[loop] = _new_client(certificates)
			atexit.register(_close, os.getpid(), loop, _clients[loop])
	return _clients[loop]


def _close(pid: int, loop: asyncio.AbstractEventLoop, client: "aiohttp.ClientSession") -> None:
	"""What is not closed aiohttp complains of at the end of the process, on the terminal."""
	if pid == os.getpid() and not client.closed:
		with suppress(Exception):
			asyncio.run_coroutine_threadsafe(client.close(), loop).result(timeout=1)


async def answer(
	provider: Provider, ask: Ask
) -> AsyncGenerator[Reasoning | Text | ToolPiece | Completion, None]:
	"""As `litellm_chat.answer`."""
	names = {"provider": provider.name, "model": ask.model}
	try:
		async with aclosing(_pieces(provider, ask, names)) as pieces:
			async for piece in pieces:
				yield piece
	except Exception as error:
		# Without the frames it came through, whose variables hold the key and the provider's words.
		raise _provider_error(error, names).with_traceback(None) from None


async def _pieces(
	provider: Provider, ask: Ask, names: dict[str, str]
) -> AsyncGenerator[Reasoning | Text | ToolPiece | Completion, None]:
	import aiohttp

	client = await load()
	listed = model_list.entry(provider.api, ask.model)
	sent, dropped = parameters(provider.api, ask, listed)
	url, headers, body = _request(provider, ask, sent)
	finish: str | None = None
	unshown: str | None = None
	usage: dict[str, Any] | None = None
	kept = continuation.Kept()
	done = begun = False
	# Asked once: it looks through the whole conversation.
	keeps = ask.uses_tools
	async with _asked(client, url, headers, body) as response:
		if response.status != 200:
			words = (await _read(response, MAX_ERROR_BYTES)).decode(errors="replace")
			raise failure(names, response.status, words, response.headers)
		if "html" in response.headers.get("content-type", ""):
			raise Junk()
		source = _objects(response) if ask.stream else _whole(response)
		async with aclosing(source):
			try:
				async for said in source:
					if said is None:
						done = True
						continue
					begun = True
					_check(said, names)
					usage = _usage_in(said) or usage
					for choice in said.get("choices") or _nothing(said):
						if choice.get("index"):
							# Of an answer beside this one.
							continue
						_check(choice, names)
						usage = _counted(choice) or usage
						if keeps:
							_keep(kept, provider.api, choice)
						for piece in _said(choice):
							yield piece
						unshown = unshown or _unshown(choice)
						finish = choice.get("finish_reason") or finish
			except (aiohttp.ClientError, OSError, Junk):
				# An end that the provider has told holds, however the connection ends.
				if not finish:
					raise
	# A whole answer has ended, whether it says so or not.
	if ask.stream and not (finish or done):
		raise ProviderError("unfinished" if begun else "no_answer", **names)
	yield Completion(
		finish_reason=finish_reason(finish, names),
		provider=provider.name,
		model=ask.model,
		usage=_usage(usage, provider, ask.model),
		dropped=dropped,
		continuation=kept.encoded(provider, ask.model),
		unshown=unshown,
	)


@asynccontextmanager
async def _asked(
	client: "aiohttp.ClientSession", url: str, headers: dict[str, str], body: bytes
) -> "AsyncIterator[aiohttp.ClientResponse]":
	"""The response. A kept connection that has ended by the time it is used has told nobody: a new one is taken then."""
	import aiohttp

	connection: dict[str, bool] = {}

	async def post(client: "aiohttp.ClientSession") -> "aiohttp.ClientResponse":
		# A redirect would take the key along to wherever it points.
		return await client.post(
			url,
			headers=headers,
			data=body,
			allow_redirects=False,
			proxy=_proxy(url),
			trace_request_ctx=connection,
		)

	async with AsyncExitStack() as stack:
		try:
			response = await post(client)
		except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
			if not connection.get("reused"):
				raise
			# Of its own: others that are kept may have ended with it.
			fresh = await stack.enter_async_context(_new_client(_certificates(), force_close=True))
			response = await post(fresh)
		yield await stack.enter_async_context(response)


async def _objects(response: "aiohttp.ClientResponse") -> AsyncGenerator[dict[str, Any] | None, None]:
	"""The objects of a stream; None for `[DONE]`, after which nothing counts."""
	lines, objects = Lines(), Objects()
	source: AsyncIterator[bytes] = response.content.iter_any()
	async for data in source:
		for said in objects.of(lines.of(data)):
			yield said
			if said is None:
				if not response.content.at_eof():
					await read_to_the_end(source)
				return
	for said in objects.of(lines.end()):
		yield said
	objects.end()


def parameters(api: str, ask: Ask, listed: model_list.Entry) -> tuple[dict[str, Any], tuple[str, ...]]:
	"""The parameters that the model takes, by the API's names, and our names of those it does not."""
	temperature, effort, limit = ask.temperature, ask.reasoning_effort, ask.max_tokens
	reasons = api == "openai" and REASONS.match(ask.model)
	if effort and not (_takes_effort(api, effort, listed) and (reasons or api != "openai")):
		effort = None
	if api == "openai" and ask.tools and NO_REASONING_WITH_TOOLS.match(ask.model):
		# Said, for some reason by default.
		effort = "none"
	if reasons and not (effort in (None, "none") and listed.get("supports_none_reasoning_effort")):
		# Its only one is its default; a search takes none at all.
		temperature = temperature if temperature == 1 and "search" not in ask.model else None
	sent: dict[str, Any] = {"max_completion_tokens" if reasons else "max_tokens": limit}
	if api == "deepseek" and effort:
		sent["thinking"] = {"type": "enabled"}
		temperature = None
	else:
		sent["reasoning_effort"] = effort
	sent["temperature"] = temperature
	if ask.tools:
		sent["tools"], sent["tool_choice"] = ask.tools, ask.tool_choice
	given = {
		"reasoning_effort": (ask.reasoning_effort, effort),
		"temperature": (ask.temperature, temperature),
	}
	dropped = tuple(name for name, (asked, kept) in given.items() if asked not in (None, kept))
	return {name: value for name, value in sent.items() if value is not None}, dropped


def _takes_effort(api: str, effort: str, listed: model_list.Entry) -> bool:
	if not APIS[api].takes_effort or not listed.get("supports_reasoning"):
		return False
	# No effort at all is known to few models, a low one to nearly all.
	return bool(listed.get(f"supports_{effort}_reasoning_effort", effort != "none"))


def _request(provider: Provider, ask: Ask, sent: dict[str, Any]) -> tuple[str, dict[str, str], bytes]:
	"""The URL, the headers and the body. Raises ProviderError `misconfigured`."""
	api, extra = APIS[provider.api], provider.extra
	base = (provider.api_base or api.base or "").rstrip("/")
	if not base.startswith(("http://", "https://")):
		raise ProviderError("misconfigured", provider=provider.name, model=ask.model)
	if provider.api == "mistral" and not base.endswith("/v1"):
		base += "/v1"
	headers = {
		"authorization": f"Bearer {provider.api_key}",
		"content-type": "application/json",
		"accept": "text/event-stream" if ask.stream else "application/json",
	}
	if organization := extra.get("organization"):
		headers["openai-organization"] = organization
	# The names of headers know no case, and ours shall win.
	for name, value in {**(extra.get("headers") or {}), **(extra.get("extra_headers") or {})}.items():
		headers.setdefault(name.lower(), str(value).strip())
	own = OwnIds()
	messages = [
		_message(provider.api, message, fields, own)
		for message, fields in continuation.of_messages(provider, ask)
	]
	asked = {
		**{name: value for name, value in extra.items() if name not in OWN},
		**(extra.get("extra_body") or {}),
		**sent,
		"model": _model(provider.api, ask.model),
		"messages": messages,
		"stream": ask.stream,
	}
	if not ask.stream:
		asked.pop("stream_options", None)
	elif api.usage_is_asked_for:
		asked.setdefault("stream_options", {"include_usage": True})
	# A null is how a site says that a parameter shall not be sent.
	body = {name: value for name, value in asked.items() if value is not None}
	url = base if base.endswith("/chat/completions") else f"{base}/chat/completions"
	return url, headers, json.dumps(body).encode()


def _model(api: str, model: str) -> str:
	if api == "fireworks_ai" and not model.startswith("accounts/") and "#" not in model:
		return f"accounts/fireworks/{'routers' if model.endswith('-fast') else 'models'}/{model}"
	return model


def _message(api: str, message: dict[str, Any], fields: dict[str, Any], own: OwnIds) -> dict[str, Any]:
	"""A message as the API takes it, with what it wants back in one of the model's."""
	message = sendable(message if APIS[api].takes_parts else _flattened(message))
	if calls := message.get("tool_calls"):
		message = {**message, "tool_calls": _signed(calls, fields)}
		reasoning = fields.get("reasoning_content")
		if isinstance(reasoning, str):
			message["reasoning_content"] = reasoning
		elif api == "deepseek":
			# A model that thinks refuses a call of its own without; a space is the least that it takes.
			message["reasoning_content"] = " "
	if api == "openrouter" and (details := continuation.details(fields)):
		message = {**message, "reasoning_details": details}
	message = own.of(message)
	return _with_short_ids(message) if api == "mistral" else message


def _signed(calls: list[dict[str, Any]], fields: dict[str, Any]) -> list[dict[str, Any]]:
	"""The calls with Google's signatures, which Gemini wants back with them."""
	for vendor in SIGNERS:
		if signatures := dict(continuation.pairs(fields.get(f"{vendor}_signatures"))):
			calls = [
				{**call, "extra_content": {vendor: {"thought_signature": signatures[call["id"]]}}}
				if call["id"] in signatures
				else call
				for call in calls
			]
	return calls


def _flattened(message: dict[str, Any]) -> dict[str, Any]:
	content = message.get("content")
	if isinstance(content, list) and all(part["type"] == "text" for part in content):
		content = "".join(part["text"] for part in content)
	return {**message, "content": content}


def _with_short_ids(message: dict[str, Any]) -> dict[str, Any]:
	"""Mistral takes nine letters and digits for the id of a call, which another provider's are not."""

	def short(identity: str) -> str:
		is_short = len(identity) == 9 and identity.isascii() and identity.isalnum()
		return identity if is_short else sha256(identity.encode()).hexdigest()[:9]

	if calls := message.get("tool_calls"):
		return {**message, "tool_calls": [{**call, "id": short(call["id"])} for call in calls]}
	if "tool_call_id" in message:
		return {**message, "tool_call_id": short(message["tool_call_id"])}
	return message


def _keep(kept: continuation.Kept, api: str, choice: Any) -> None:
	"""What an API wants back of a choice, by what is in it: whose models are behind an address is not known here."""
	message = choice.get("delta") or choice.get("message") or {}
	if api == "openrouter":
		# What the provider behind it gave; its reasoning is in there.
		kept.add("reasoning_details", *(message.get("reasoning_details") or ()))
	elif reasoning := message.get("reasoning_content"):
		kept.add("reasoning_content", string(reasoning))
	for call in message.get("tool_calls") or ():
		for vendor in SIGNERS:
			signature = ((call.get("extra_content") or {}).get(vendor) or {}).get("thought_signature")
			if signature:
				# By its id it comes back.
				call["id"] = call.get("id") or f"call_{uuid4().hex}"
				kept.add(f"{vendor}_signatures", [call["id"], signature])


async def _read(response: "aiohttp.ClientResponse", most: int) -> bytes:
	"""The body as far as `most` bytes; one for an answer that has more is no JSON."""
	parts, size = [], 0
	async for data in response.content.iter_any():
		parts.append(data)
		size += len(data)
		if size > most:
			break
	return b"".join(parts)[:most]


async def _whole(response: "aiohttp.ClientResponse") -> AsyncGenerator[dict[str, Any] | None, None]:
	"""The one object of an answer that is no stream. Raises Junk."""
	try:
		said = json.loads((await _read(response, MAX_BYTES)).decode(), strict=False)
	except ValueError:
		raise Junk() from None
	if not isinstance(said, dict) or ("error" not in said and not said.get("choices")):
		raise Junk()
	yield said


def _nothing(said: dict[str, Any]) -> tuple[()]:
	"""That an object without choices may be passed over: one of a stream. Raises Junk for others."""
	if "choices" in said or "usage" in said or str(said.get("object")).endswith(".chunk"):
		return ()
	raise Junk()


def _said(choice: Any) -> Iterator[Reasoning | Text | ToolPiece]:
	"""What a choice says, in a delta or a whole message.

	The reasoning is in one field of several, by the provider; some repeat it in a second one.
	"""
	message = choice.get("delta") or choice.get("message")
	if not message:
		return
	content = message.get("content")
	reasoning = message.get("reasoning_content") or message.get("reasoning")
	if isinstance(content, list):
		thought, content = flat(content)
		reasoning = reasoning or thought
	if not reasoning and (details := message.get("reasoning_details")):
		reasoning = "".join(part.get("text") or part.get("summary") or "" for part in details)
	if reasoning:
		yield Reasoning(string(reasoning))
	if content := content or message.get("refusal"):
		yield Text(string(content))
	for call in message.get("tool_calls") or ():
		yield tool_piece(call)


def _unshown(choice: Any) -> str | None:
	"""What a choice holds that is not shown, as the kind of failure of an answer that holds nothing else."""
	message = choice.get("delta") or choice.get("message") or {}
	content = message.get("content")
	parts = content if isinstance(content, list) else ()
	if message.get("images") or any("image" in part["type"] for part in parts):
		return "only_images"
	return "only_unknown_calls" if message.get("function_call") else None


def _check(said: dict[str, Any], names: dict[str, str]) -> None:
	"""Raises ProviderError for an error that came where an answer should."""
	if said.get("error") is not None:
		raise failure(names, body=said["error"])


def _usage_in(said: dict[str, Any]) -> dict[str, Any] | None:
	# Groq's is in a field of its own; Moonshot's in a choice.
	return _counted(said) or _counted(said.get("x_groq") or {})


def _counted(place: dict[str, Any]) -> dict[str, Any] | None:
	found = place.get("usage")
	return found if isinstance(found, dict) else None


def _usage(counted: dict[str, Any] | None, provider: Provider, model: str) -> Usage | None:
	if counted is None:
		return None

	def count(name: str, within: str | None = None) -> int:
		place = counted if within is None else counted.get(within)
		found = place.get(name) if isinstance(place, dict) else None
		return tokens(found)

	prompt, completion = count("prompt_tokens"), count("completion_tokens")
	reasoning = count("reasoning_tokens", "completion_tokens_details")
	cached = count("cached_tokens", "prompt_tokens_details") or count("prompt_cache_hit_tokens")
	total = count("total_tokens") or tokens(prompt + completion)
	# xAI's completion does not include its reasoning.
	apart = provider.api == "xai" and total == prompt + completion + reasoning
	paid = completion + reasoning if apart else completion
	cost = model_list.cost_usd(provider, model, prompt, cached, paid, reasoning)
	return Usage(prompt, completion, reasoning, total, cost)


def _provider_error(error: Exception, names: dict[str, str]) -> Exception:
	"""What an exception comes down to; a defect of this adapter is given as it is."""
	import aiohttp

	if isinstance(error, ProviderError):
		return error
	if isinstance(error, UnusableProxy):
		return ProviderError("unusable_proxy", **names)
	if isinstance(error, UnreadableAuthorities):
		return ProviderError("unreadable_authorities", **names)
	# A ValueError, too.
	if isinstance(error, aiohttp.ClientConnectorCertificateError):
		return ProviderError("untrusted", **names)
	if isinstance(error, aiohttp.ClientProxyConnectionError | aiohttp.ClientHttpProxyError):
		return ProviderError("proxy", **names)
	if isinstance(error, aiohttp.ClientConnectorError):
		return ProviderError("unreachable", **names)
	# An address that is none, or a key that no header can hold.
	if isinstance(error, ValueError):
		return ProviderError("misconfigured", **names)
	if isinstance(error, aiohttp.ClientError | OSError):
		return ProviderError("broke_off", **names)
	# What is not of the shape that it should be is none of the answer.
	if isinstance(error, Junk | AttributeError | TypeError | KeyError | RecursionError):
		return ProviderError("junk", **names)
	return error
