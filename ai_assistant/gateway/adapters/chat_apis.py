"""The Chat Completions APIs: their addresses, and how each one differs from OpenAI's."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from .. import http
from ..chunks import Provider


@dataclass(frozen=True, slots=True)
class Api:
	"""One API.

	Args:
		base: its address; None if a provider of it needs an `api_base`.
		path: the path that is appended to an `api_base` without a path.
		usage_is_asked_for: whether it counts tokens in a stream only if `stream_options` asks for it.
		takes_parts: whether the content of a text may be a list of parts.
		takes_effort: whether it takes `reasoning_effort`.
	"""

	base: str | None = None
	path: str = ""
	usage_is_asked_for: bool = True
	takes_parts: bool = True
	takes_effort: bool = True


# By litellm's names, and `alibaba`. The addresses are those of each provider's public documentation.
APIS = {
	"alibaba": Api("https://dashscope-intl.aliyuncs.com/compatible-mode/v1", takes_effort=False),
	"azure": Api(path="/openai/v1"),
	"cerebras": Api("https://api.cerebras.ai/v1"),
	# It refuses `stream_options`, and counts the tokens without it.
	"cohere": Api("https://api.cohere.ai/compatibility/v1", usage_is_asked_for=False, takes_effort=False),
	"dashscope": Api("https://dashscope-intl.aliyuncs.com/compatible-mode/v1", takes_effort=False),
	"databricks": Api(path="/serving-endpoints"),
	"deepseek": Api("https://api.deepseek.com", takes_parts=False),
	"fireworks_ai": Api("https://api.fireworks.ai/inference/v1"),
	"groq": Api("https://api.groq.com/openai/v1"),
	"hosted_vllm": Api(),
	"huggingface": Api("https://router.huggingface.co/v1"),
	"lm_studio": Api(),
	# It refuses unknown fields. Its thinking models think by default.
	"mistral": Api(
		"https://api.mistral.ai/v1", usage_is_asked_for=False, takes_parts=False, takes_effort=False
	),
	"moonshot": Api("https://api.moonshot.ai/v1", takes_effort=False),
	"nvidia_nim": Api("https://integrate.api.nvidia.com/v1"),
	"openai": Api("https://api.openai.com/v1"),
	"openrouter": Api("https://openrouter.ai/api/v1"),
	"perplexity": Api("https://api.perplexity.ai", usage_is_asked_for=False),
	"snowflake": Api(path="/api/v2/cortex/v1", takes_effort=False),
	"together_ai": Api("https://api.together.xyz/v1", takes_effort=False),
	"xai": Api("https://api.x.ai/v1"),
	"zai": Api("https://api.z.ai/api/paas/v4", takes_effort=False),
}
# The APIs of OpenAI's own models, with OpenAI's rules.
OPENAI = ("openai", "azure")


def url_of(provider: Provider) -> str:
	"""Returns the address of a provider's chat completions. Raises ProviderError `misconfigured`.

	An address of Azure with a query, as its older versions of the API have it, keeps the query.
	"""
	api = APIS[provider.api]
	base, _, query = http.base_url(provider, api.base).partition("?")
	base = base.rstrip("/")
	if provider.api == "mistral" and not base.endswith("/v1"):
		# An address that was written for litellm may lack the path.
		base += "/v1"
	elif urlsplit(base).path == "":
		base += api.path
	url = base if base.endswith("/chat/completions") else f"{base}/chat/completions"
	return f"{url}?{query}" if query else url


def headers_of(provider: Provider) -> dict[str, str]:
	"""Returns the headers that carry the key."""
	if provider.api == "azure":
		return {"api-key": provider.api_key}
	return {"authorization": f"Bearer {provider.api_key}"}


def stream_headers_of(provider: Provider) -> dict[str, str]:
	"""Returns the headers of a request for a stream: the key, and OpenAI's organization if the provider has one."""
	headers = {**headers_of(provider), "accept": "text/event-stream"}
	if organization := provider.extra.get("organization"):
		headers["openai-organization"] = organization
	return headers
