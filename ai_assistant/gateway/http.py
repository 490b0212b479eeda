"""Sends the requests of the native adapters, with one aiohttp client for a loop, and yields the JSON objects of a response.

CPU of bare loops, in µs a chunk: at full speed; on one stream of 50 chunks a second; on a hundred such streams:
- aiohttp and JSON: 5; 285; 47
- httpx and JSON: 14; 512; 327
- the OpenAI SDK's events without its models: 15; 470; 354. litellm: 400; 1,200; not measured.
aiohttp reads in a callback of the loop and parses in C; the others wake a task through several
layers for each chunk. Neither the SDK nor httpx-sse bounds the length of a line.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from concurrent.futures import TimeoutError as OutOfTime
from contextlib import aclosing, asynccontextmanager
from functools import lru_cache, wraps
from typing import TYPE_CHECKING, Any, TypeVar

from . import tracing
from .bridge import provider_loop
from .chunks import Ask, Provider
from .errors import ProviderError
from .failures import failure
from .http_client import UnreadableAuthorities, certificates_of_environment, load, new_client
from .proxies import UnusableProxy, proxy_for
from .read_pauses import with_pauses
from .sse import MAX_BYTES, Lines, Objects, ProtocolError, read_to_the_end

if TYPE_CHECKING:
	import aiohttp

T = TypeVar("T")
# The most bytes of an error's body that are read. The reason is at its beginning.
MAX_ERROR_BYTES = 64 * 1024
# Names that a provider's `extra` cannot set: the app sets them itself, or they are arguments of litellm.
OWN = frozenset(
	"api_base api_key api_version base_url custom_llm_provider drop_params extra_body extra_headers headers max_retries"
	" messages model organization stream timeout".split()
)

# aiohttp itself would look the proxy up for each question, on two threads.
_proxy = lru_cache(proxy_for)


@asynccontextmanager
async def request(
	url: str, headers: dict[str, str], body: bytes | None, names: dict[str, str]
) -> "AsyncIterator[aiohttp.ClientResponse]":
	"""Yields the response with status 200 to a POST of a JSON body, or to a GET if there is no body.

	Raises ProviderError for any other status, ProtocolError for a page, and what aiohttp raises
	(`without_secrets`). A redirect is not followed, because the request to the new address would contain the key. If
	a reused connection is closed, the request is sent again on a new one.
	"""
	import aiohttp

	client = await load()
	connection: dict[str, bool] = {}

	async def send(client: "aiohttp.ClientSession") -> "aiohttp.ClientResponse":
		return await client.request(
			"GET" if body is None else "POST",
			url,
			headers=tracing.pass_on(headers),
			data=body,
			allow_redirects=False,
			proxy=_proxy(url),
			trace_request_ctx=connection,
		)

	fresh: aiohttp.ClientSession | None = None
	try:
		try:
			response = await send(client)
		except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
			if not connection.get("reused"):
				raise
			# A client of its own, because the other kept connections may be closed too.
			fresh = new_client(certificates_of_environment(), force_close=True)
			response = await send(fresh)
		async with response:
			if response.status != 200:
				words = (await read(response, MAX_ERROR_BYTES)).decode(errors="replace")
				raise failure(names, response.status, words, response.headers)
			if "html" in response.headers.get("content-type", ""):
				raise ProtocolError()
			yield response
	finally:
		if fresh:
			await fresh.close()


async def objects(
	make: Callable[[], tuple[str, dict[str, str], bytes | None]],
	names: dict[str, str],
	ended: Callable[[], object],
	calls: Callable[[], object],
	remove: Callable[[], bool] = lambda: False,
) -> AsyncGenerator[list[dict[str, Any]], None]:
	"""Yields the objects of a streamed response to `request`: server-sent events, or one object a line.

	The objects of one read come as one list, because each step of a generator costs CPU.

	Args:
		make: makes the URL, the headers and the body of the request.
		names: `provider` and `model`, for the sentences of errors.
		ended: whether the answer is complete. A connection that breaks afterwards raises no error.
		calls: whether the model has begun a tool call (see `stream`).
		remove: removes a part of the request that the server may refuse, and returns whether there was one. If the
			server refuses the request with 400, it is sent again without this part.
	"""
	while True:
		try:
			async with (
				request(*make(), names) as response,
				aclosing(stream(response, calls)) as source,
			):
				async for messages in source:
					yield [message for message in messages if message is not None]
			return
		except ProviderError as error:
			if error.values.get("status") != "400" or not remove():
				raise
		except Exception as error:
			if not (ended() and broke_off(error)):
				raise
			return


async def stream(
	response: "aiohttp.ClientResponse", calls: Callable[[], object]
) -> AsyncGenerator[list[dict[str, Any] | None], None]:
	"""Yields the objects of each read of a stream, and None for `[DONE]`. What follows `[DONE]` is ignored.

	Once `calls()` is true, the stream does not pause any more: the client makes the call as soon as the answer ends.
	"""
	lines, objects = Lines(), Objects()
	async with aclosing(with_pauses(response, calls)) as source:
		async for data in source:
			messages, error = objects.until_done(lines.of(data))
			yield messages
			if messages and messages[-1] is None:
				if not response.content.at_eof():
					# The end of the body is short, so the stream does not pause any more.
					await read_to_the_end(response.content.iter_any())
				return
			if error:
				raise error
	messages, error = objects.until_done(lines.end())
	yield messages
	if error:
		raise error
	objects.end()


async def json_object(
	url: str, headers: dict[str, str], body: bytes | None, names: dict[str, str]
) -> dict[str, Any]:
	"""Returns the JSON object of a response that is not a stream. A list becomes its `data`.

	The arguments are those of `request`.

	Raises ProviderError.
	"""
	try:
		async with request(url, headers, body, names) as response:
			try:
				value = json.loads(await read(response, MAX_BYTES))
			except ValueError:
				raise ProtocolError() from None
	except Exception as error:
		raise _provider_error(error, names).with_traceback(None) from None
	if isinstance(value, list):
		value = {"data": value}
	if not isinstance(value, dict):
		raise ProviderError("junk", **names)
	return value


def fetched(
	url: str, headers: dict[str, str], body: bytes | None, names: dict[str, str], seconds: int
) -> dict[str, Any]:
	"""Returns what `json_object` returns, to a thread that is not the loop's.

	Raises ProviderError, of the kind `total` after so many seconds.
	"""
	task = asyncio.run_coroutine_threadsafe(json_object(url, headers, body, names), provider_loop())
	try:
		return task.result(seconds)
	except OutOfTime:
		task.cancel()
		raise ProviderError("total", seconds=str(seconds), **names) from None


async def read(response: "aiohttp.ClientResponse", most: int) -> bytes:
	"""Returns at most `most` bytes of the body. A longer body is cut, and is then not valid JSON."""
	body = bytearray()
	async for data in response.content.iter_any():
		body += data
		if len(body) > most:
			break
	return bytes(body[:most])


def without_secrets(
	pieces: Callable[[Provider, Ask, dict[str, str]], AsyncGenerator[T, None]],
) -> Callable[[Provider, Ask], AsyncGenerator[T, None]]:
	"""Makes an adapter that raises ProviderError, or the exception of a defect, without frames in the traceback.

	The variables of frames contain the key and text of the provider. `pieces` also receives the names that the
	sentences of errors contain.
	"""

	@wraps(pieces)
	async def answer(provider: Provider, ask: Ask) -> AsyncGenerator[T, None]:
		names = {"provider": provider.name, "model": ask.model}
		try:
			async with aclosing(pieces(provider, ask, names)) as source:
				async for piece in source:
					yield piece
		except Exception as error:
			raise _provider_error(error, names).with_traceback(None) from None

	return answer


def _provider_error(error: Exception, names: dict[str, str]) -> Exception:
	"""Returns the ProviderError that an exception means. The exception of a defect is returned unchanged."""
	import aiohttp

	kinds = {
		UnusableProxy: "unusable_proxy",
		UnreadableAuthorities: "unreadable_authorities",
		# This error is also a ValueError, so it is checked first.
		aiohttp.ClientConnectorCertificateError: "untrusted",
		aiohttp.ClientProxyConnectionError | aiohttp.ClientHttpProxyError: "proxy",
		aiohttp.ClientConnectorError: "unreachable",
		# An invalid address, or a key that a header cannot contain.
		ValueError: "misconfigured",
		aiohttp.ClientError | OSError: "broke_off",
		# The response does not have the structure of an answer.
		ProtocolError | AttributeError | TypeError | KeyError | RecursionError: "junk",
	}
	kind = next((kind for types, kind in kinds.items() if isinstance(error, types)), None)
	return ProviderError(kind, **names) if kind else error


def broke_off(error: Exception) -> bool:
	"""Whether the connection broke, or the data on it was not valid."""
	import aiohttp

	return isinstance(error, aiohttp.ClientError | OSError | ProtocolError)


def base_url(provider: Provider, default: str | None) -> str:
	"""Returns the provider's address without a slash at its end. Raises ProviderError `misconfigured`."""
	base = (provider.api_base or default or "").rstrip("/")
	if not base.startswith(("http://", "https://")):
		raise ProviderError("misconfigured", provider=provider.name, model=provider.default_model)
	return base


def headers(provider: Provider, ours: dict[str, str]) -> dict[str, str]:
	"""Returns the headers of a request: ours, in lower case, and those of the provider's `extra` that are not ours."""
	extra = provider.extra
	configured = {**(extra.get("headers") or {}), **(extra.get("extra_headers") or {})}
	return {name.lower(): str(value).strip() for name, value in configured.items()} | {
		"content-type": "application/json",
		**ours,
	}


def runs_tools(provider: Provider) -> bool:
	"""Whether the provider's `extra` names tools that the provider runs itself, such as a web search."""
	body = provider.extra.get("extra_body")
	places = [provider.extra, body] if isinstance(body, dict) else [provider.extra]
	return any(place.get(name) for place in places for name in ("tools", "mcp_servers"))


def with_extra(provider: Provider, sent: dict[str, Any]) -> dict[str, Any]:
	"""Returns `sent` with the parameters of the provider's `extra`. `sent` takes precedence. Null removes one."""
	extra = provider.extra
	configured = {name: value for name, value in extra.items() if name not in OWN}
	configured |= extra.get("extra_body") or {}
	body = {**configured, **sent}
	if isinstance(configured.get("tools"), list) and isinstance(sent.get("tools"), list):
		# Tools that the provider runs itself are offered together with the client's tools.
		body["tools"] = configured["tools"] + sent["tools"]
	return {name: value for name, value in body.items() if value is not None}
