"""Spans of OpenTelemetry, if the process exports spans: one for a request, and one for each question to a provider.

A process exports spans if a tracer provider was set, as `opentelemetry-instrument` does. Otherwise nothing is imported,
and each function returns at once. Names and attributes are those of OpenTelemetry's GenAI semantic conventions
(open-telemetry/semantic-conventions, docs/gen-ai/gen-ai-spans.md). A span has no text of a question or an answer.
"""

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from .chunks import Ask, Chunk, Completion, Detached, Provider, Tick
from .errors import ProviderError

if TYPE_CHECKING:
	from opentelemetry.context import Context
	from opentelemetry.trace import Span

# The names of providers in the conventions, by those of their APIs. Other APIs keep their own names.
PROVIDERS = {
	"azure": "azure.ai.openai",
	"bedrock": "aws.bedrock",
	"gemini": "gcp.gemini",
	"mistral": "mistral_ai",
	"openai_responses": "openai",
	"vertex_ai": "gcp.vertex_ai",
	"watsonx": "ibm.watsonx.ai",
	"xai": "x_ai",
}
OPERATION = "chat"
# The fields of a question that are attributes of the same name.
REQUEST = "temperature top_p max_tokens seed presence_penalty frequency_penalty".split()
USAGE = {
	"prompt_tokens": "gen_ai.usage.input_tokens",
	"completion_tokens": "gen_ai.usage.output_tokens",
	"cached_tokens": "gen_ai.usage.cache_read.input_tokens",
	"cache_write_tokens": "gen_ai.usage.cache_creation.input_tokens",
	"reasoning_tokens": "gen_ai.usage.reasoning.output_tokens",
}


@dataclass
class Trace:
	"""The span of a request. The spans of its attempts are its children."""

	span: "Span"
	context: "Context"
	conversation: str

	def outcome(self, finish_reason: str, error: str | None) -> None:
		"""Records the `finish_reason` of the answer, and the code of its error if there is one."""
		self.span.set_attribute("gen_ai.response.finish_reasons", [finish_reason])
		_set_error(self.span, error)

	def end(self) -> None:
		"""Ends the span."""
		self.span.end()


@dataclass
class AttemptSpan:
	"""The span of one question to one provider."""

	span: "Span"
	context: "Context"
	asked_at: float = field(default_factory=time.monotonic)
	has_begun: bool = False

	def current(self) -> AbstractContextManager[None]:
		"""Makes the span the current one of this thread, so that what is started here passes it on."""
		return _attached(self.context)

	def saw(self, chunk: Chunk) -> None:
		"""Records the time of the first chunk of the answer, and what its end says."""
		if isinstance(chunk, Completion):
			self.span.set_attribute("gen_ai.response.model", chunk.model)
			self.span.set_attribute("gen_ai.response.finish_reasons", [chunk.finish_reason])
			for kind, name in USAGE.items():
				if count := getattr(chunk.usage, kind, None):
					self.span.set_attribute(name, count)
		elif not self.has_begun and not isinstance(chunk, Tick | Detached):
			self.has_begun = True
			self.span.set_attribute("gen_ai.response.time_to_first_chunk", time.monotonic() - self.asked_at)

	def failed(self, error: ProviderError) -> None:
		"""Records the error of the provider."""
		_set_error(self.span, error.code)

	def end(self) -> None:
		"""Ends the span."""
		self.span.end()


def is_on() -> bool:
	"""Whether this process exports spans."""
	# A process that exports spans has already imported this module.
	trace = sys.modules.get("opentelemetry.trace")
	return trace is not None and type(trace.get_tracer_provider()).__name__ != "ProxyTracerProvider"


def carrier(headers: Mapping[str, str]) -> dict[str, str] | None:
	"""Returns the headers that name the trace to which a request belongs. None if there is none.

	Args:
		headers: those of the HTTP request. A span that is current in this thread counts before them.
	"""
	if not is_on():
		return None
	from opentelemetry import context, trace

	current = context.get_current()
	if not trace.get_current_span(current).get_span_context().is_valid:
		current = _propagator().extract({name.lower(): value for name, value in headers.items()})
	trace_headers: dict[str, str] = {}
	_propagator().inject(trace_headers, current)
	return trace_headers or None


def begin(model: str, conversation: str, parent: Mapping[str, str] | None, **own: str | None) -> Trace | None:
	"""Begins the span of a request. None if this process exports no spans.

	Args:
		model: the model that is asked first, empty for the provider's default.
		conversation: the id of the conversation.
		parent: what `carrier` returned.
		own: attributes of the app, whose names get the prefix `ai_assistant.`.
	"""
	if not is_on():
		return None
	from opentelemetry import trace

	attributes: dict[str, Any] = {
		"gen_ai.operation.name": OPERATION,
		"gen_ai.conversation.id": conversation,
		**({"gen_ai.request.model": model} if model else {}),
		**{f"ai_assistant.{name}": value for name, value in own.items() if value is not None},
	}
	context = _propagator().extract(dict(parent or {}))
	span = _tracer().start_span("ai_assistant.request", context, trace.SpanKind.INTERNAL, attributes)
	return Trace(span, trace.set_span_in_context(span, context), conversation)


def suppressed() -> AbstractContextManager[None]:
	"""Begins no spans for the questions of this thread, by OpenTelemetry's own mark that its instrumentations know."""
	if not is_on():
		return nullcontext()
	from opentelemetry import context

	return _attached(context.set_value(context._SUPPRESS_INSTRUMENTATION_KEY, True))


@contextmanager
def _attached(context: "Context") -> Iterator[None]:
	"""Makes a context the current one of this thread."""
	from opentelemetry.context import attach, detach

	token = attach(context)
	try:
		yield
	finally:
		detach(token)


def begin_attempt(provider: Provider, ask: Ask, parent: Trace | None) -> AttemptSpan | None:
	"""Begins the span of a question to a provider. None if this process exports no spans, or not those of this question."""
	if not is_on():
		return None
	from opentelemetry import context as current
	from opentelemetry import trace

	if current.get_value(current._SUPPRESS_INSTRUMENTATION_KEY):
		return None
	api = provider.api.removeprefix("litellm/")
	attributes: dict[str, Any] = {
		"gen_ai.operation.name": OPERATION,
		"gen_ai.provider.name": PROVIDERS.get(api, api),
		"gen_ai.request.model": ask.model,
		"gen_ai.request.stream": True,
		"ai_assistant.provider": provider.name,
		**{f"gen_ai.request.{name}": value for name in REQUEST if (value := getattr(ask, name)) is not None},
	}
	if parent and parent.conversation:
		attributes["gen_ai.conversation.id"] = parent.conversation
	if provider.api_base:
		address = urlsplit(provider.api_base)
		port = address.port or (443 if address.scheme == "https" else 80)
		attributes.update({"server.address": address.hostname or "", "server.port": port})
	context = parent.context if parent else None
	span = _tracer().start_span(f"{OPERATION} {ask.model}", context, trace.SpanKind.CLIENT, attributes)
	return AttemptSpan(span, trace.set_span_in_context(span, context))


def pass_on(headers: dict[str, str]) -> dict[str, str]:
	"""Returns the headers of a question with the `traceparent` of the current span, if there is one."""
	if not is_on():
		return headers
	headers = dict(headers)
	_propagator().inject(headers)
	return headers


def _set_error(span: "Span", error: str | None) -> None:
	if error is None:
		return
	from opentelemetry.trace import Status, StatusCode

	span.set_attribute("error.type", error)
	span.set_status(Status(StatusCode.ERROR))


def _tracer() -> Any:
	from opentelemetry import trace

	return trace.get_tracer("ai_assistant")


def _propagator() -> Any:
	# Not the process's own propagators: a client's baggage is not for providers.
	from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

	return TraceContextTextMapPropagator()
