"""Converts litellm's exceptions to the failures of the gateway."""

import json
from typing import Any

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

	names = {"provider": provider.name, "model": model}
	causes = list(_causes(error))
	for cause in causes:
		if isinstance(cause, ProviderError):
			# Without the frames it came through, whose variables hold the key and the provider's words.
			return cause.with_traceback(None)
		if isinstance(cause, ModuleNotFoundError) and cause.name:
			module = cause.name.partition(".")[0]
			return ProviderError("missing_package", package=PACKAGES.get(module, module), **names)
	words = "\n".join(_words(cause) for cause in causes)
	litellm = client.load()
	if any(isinstance(cause, litellm.ImageFetchError) for cause in causes):
		return ProviderError("no_image_links", **names)
	if any(isinstance(cause, sse.ProtocolError) for cause in causes):
		return ProviderError("junk", **names)
	if any(_too_long(litellm, cause) for cause in causes):
		return ProviderError("too_long", **names)
	if any(isinstance(cause, litellm.ContentPolicyViolationError) for cause in causes):
		return ProviderError("filtered", **names)
	for cause in causes:
		if isinstance(cause, httpx.HTTPStatusError):
			response = cause.response
			return failure(names, response.status_code, _body(response) or words, response.headers)
	if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes):
		return ProviderError("untrusted", **names)
	if any(isinstance(cause, httpx.InvalidURL | aiohttp.NonHttpUrlClientError) for cause in causes):
		return ProviderError("misconfigured", **names)
	if any(
		isinstance(c, httpx.ConnectError | httpx.ConnectTimeout | aiohttp.ClientConnectorError)
		for c in causes
	):
		return ProviderError("unreachable", **names)
	if any(isinstance(c, httpx.TransportError | aiohttp.ClientError) for c in causes):
		return ProviderError("broke_off", **names)
	if any(isinstance(cause, UnicodeDecodeError | json.JSONDecodeError) for cause in causes):
		return ProviderError("junk", **names)
	if isinstance(error, litellm.BadRequestError) and not any(_of_provider(cause) for cause in causes):
		return ProviderError("misconfigured", **names)
	return failure(names, body=words)


def _body(response: Any) -> str:
	import httpx

	try:
		return str(response.text)
	except httpx.StreamError:
		# The body was not read, or the stream has ended.
		return ""


def _words(cause: BaseException) -> str:
	"""Returns the text of a provider's error, "" for any other exception."""
	import openai

	if type(cause) is Exception:
		# The server sent an error in the place of a whole answer.
		return json.dumps(
			{name: getattr(cause, name, "") for name in ("status_code", "message")}, default=str
		)
	if not isinstance(cause, openai.APIError) and not _of_provider(cause):
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


def _of_provider(cause: BaseException) -> bool:
	"""Whether litellm made the exception from a provider's error."""
	from litellm.llms.base_llm.chat.transformation import BaseLLMException

	return isinstance(cause, BaseLLMException)


def _too_long(litellm: Any, cause: BaseException) -> bool:
	"""Whether the prompt is too long. litellm knows the sentences of most providers, but uses them for some only."""
	checkers = litellm.litellm_core_utils.exception_mapping_utils.ExceptionCheckers
	return isinstance(
		cause, litellm.ContextWindowExceededError
	) or checkers.is_error_str_context_window_exceeded(_words(cause))
