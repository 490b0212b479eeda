"""Converts litellm's exceptions to the failures of the gateway."""

import json
from contextlib import suppress

from ... import sse
from ...chunks import Provider
from ...errors import ProviderError
from ...failures import failure
from . import client

# The packages of modules that have another name. Bedrock and SageMaker need boto3, Vertex AI needs google-auth.
PACKAGES = {"botocore": "boto3", "google": "google-auth"}


def provider_error(error: Exception, provider: Provider, model: str) -> ProviderError:
	"""Converts an exception of litellm.

	litellm gives its exceptions a status of its own (500 for a broken connection, and for a refusal of Ollama). The real
	status is in the chain of causes, in httpx's exception, which has the response.
	"""
	import ssl

	import aiohttp
	import httpx
	from litellm.llms.base_llm.chat.transformation import BaseLLMException

	names = {"provider": provider.name, "model": model}
	causes = _causes(error)

	def has(*kinds: type[BaseException]) -> bool:
		return any(isinstance(cause, kinds) for cause in causes)

	for cause in causes:
		if isinstance(cause, ProviderError):
			# Without the frames it came through, whose variables hold the key and the provider's words.
			return cause.with_traceback(None)
		if isinstance(cause, ModuleNotFoundError) and cause.name:
			module = cause.name.partition(".")[0]
			return ProviderError("missing_package", package=PACKAGES.get(module, module), **names)
	litellm = client.load()
	words = [_words(cause) for cause in causes]
	# litellm knows the sentences of most providers, but uses them for some only.
	checkers = litellm.litellm_core_utils.exception_mapping_utils.ExceptionCheckers
	is_too_long = checkers.is_error_str_context_window_exceeded
	if has(litellm.ImageFetchError):
		return ProviderError("no_image_links", **names)
	if has(sse.ProtocolError):
		return ProviderError("junk", **names)
	if has(litellm.ContextWindowExceededError) or any(is_too_long(word) for word in words):
		return ProviderError("too_long", **names)
	if has(litellm.ContentPolicyViolationError):
		return ProviderError("filtered", **names)
	for cause in causes:
		if isinstance(cause, httpx.HTTPStatusError):
			response, body = cause.response, ""
			# The text is missing if the body was not read, or if the stream has ended.
			with suppress(httpx.StreamError):
				body = response.text
			return failure(names, response.status_code, body or "\n".join(words), response.headers)
	if has(ssl.SSLCertVerificationError):
		return ProviderError("untrusted", **names)
	if has(httpx.InvalidURL, aiohttp.NonHttpUrlClientError):
		return ProviderError("misconfigured", **names)
	if has(httpx.ConnectError, httpx.ConnectTimeout, aiohttp.ClientConnectorError):
		return ProviderError("unreachable", **names)
	if has(httpx.TransportError, aiohttp.ClientError):
		return ProviderError("broke_off", **names)
	if has(UnicodeDecodeError, json.JSONDecodeError):
		return ProviderError("junk", **names)
	if isinstance(error, litellm.BadRequestError) and not has(BaseLLMException):
		return ProviderError("misconfigured", **names)
	return failure(names, body="\n".join(words))


def _words(cause: BaseException) -> str:
	"""Returns the text of a provider's error, "" for any other exception."""
	import openai
	from litellm.llms.base_llm.chat.transformation import BaseLLMException

	if type(cause) is Exception:
		# The server sent an error in the place of a whole answer.
		return json.dumps(
			{name: getattr(cause, name, "") for name in ("status_code", "message")}, default=str
		)
	if not isinstance(cause, openai.APIError | BaseLLMException):
		return ""
	return f"{cause}\n{json.dumps(getattr(cause, 'body', None), default=str)}"


def _causes(error: BaseException) -> list[BaseException]:
	"""Returns the exception and its causes, the nearest first."""
	seen: list[BaseException] = []
	waiting: list[BaseException | None] = [error]
	while waiting:
		cause = waiting.pop(0)
		if cause is None or cause in seen:
			continue
		seen.append(cause)
		waiting += [getattr(cause, "original_exception", None), cause.__cause__, cause.__context__]
	return seen
