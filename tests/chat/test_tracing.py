"""Tests the spans of requests and of attempts with OpenTelemetry's own SDK."""

import gc
import gzip
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import frappe
import pytest
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
	ExportTraceServiceRequest,
	ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from ai_assistant.chat import lifecycle, queue
from ai_assistant.gateway import tracing
from ai_assistant.gateway.adapters.litellm.preload import preload
from ai_assistant.gateway.chunks import Ask, Provider
from tests.chat.conftest import ChatSite
from tests.chat.runs import run
from tests.support import script

TRACE_ID, PARENT_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE_ID}-{PARENT_ID}-01"


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
	"""What the process exports."""
	exporter = InMemorySpanExporter()
	provider = TracerProvider()
	provider.add_span_processor(SimpleSpanProcessor(exporter))
	monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
	monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
	yield exporter
	provider.shutdown()


def arrive(monkeypatch: pytest.MonkeyPatch, **headers: str) -> None:
	"""Makes the headers those of the HTTP request at hand."""
	monkeypatch.setattr(frappe.local, "request", frappe._dict(headers=headers), raising=False)


def ask(site: ChatSite, content: str, settings: Any, **fields: Any) -> dict[str, Any]:
	chat = lifecycle.begin(site.request(content, **fields), settings, 0.0)
	_chunks, answer = run(lifecycle.run(chat))
	return answer


def by_name(exporter: InMemorySpanExporter) -> dict[str, ReadableSpan]:
	return {span.name: span for span in exporter.get_finished_spans()}


def hexadecimal(span: ReadableSpan) -> tuple[str, str, str | None]:
	"""Returns the ids of the trace, of the span and of its parent."""
	assert span.context
	parent = span.parent and format(span.parent.span_id, "016x")
	return format(span.context.trace_id, "032x"), format(span.context.span_id, "016x"), parent


def test_a_request_is_a_span_and_its_attempt_a_child_by_the_conventions(
	chat_site: ChatSite, spans: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
	arrive(monkeypatch, Traceparent=TRACEPARENT, Baggage="secret=1")
	usage = {"prompt_tokens": 12, "completion_tokens": 5, "total_tokens": 17}
	content = script({"reasoning": "Hm."}, {"text": "The secret."}, {"usage": usage})
	answer = ask(chat_site, content, chat_site.configure(), task_id="t1", temperature=0.5)
	named = by_name(spans)
	request, attempt = named["ai_assistant.request"], named["chat m1"]
	assert hexadecimal(request)[0::2] == (TRACE_ID, PARENT_ID)
	assert hexadecimal(attempt)[0::2] == (TRACE_ID, hexadecimal(request)[1])
	assert (request.kind, attempt.kind) == (SpanKind.INTERNAL, SpanKind.CLIENT)
	assert dict(request.attributes or {}) == {
		"gen_ai.operation.name": "chat",
		"gen_ai.conversation.id": "t1",
		"ai_assistant.request_id": answer["request_id"],
		"ai_assistant.mode": "chat",
		"gen_ai.response.finish_reasons": ("stop",),
	}
	attributes = dict(attempt.attributes or {})
	assert 0 < attributes.pop("gen_ai.response.time_to_first_chunk") < 60  # type: ignore[operator]
	assert attributes == {
		"gen_ai.operation.name": "chat",
		"gen_ai.provider.name": "openai",
		"gen_ai.request.model": "m1",
		"gen_ai.request.stream": True,
		"gen_ai.request.temperature": 0.5,
		"gen_ai.conversation.id": "t1",
		"ai_assistant.provider": "p",
		"server.address": "127.0.0.1",
		"server.port": chat_site.provider.port,
		"gen_ai.response.model": "m1",
		"gen_ai.response.finish_reasons": ("stop",),
		"gen_ai.usage.input_tokens": answer["usage"]["prompt_tokens"],
		"gen_ai.usage.output_tokens": answer["usage"]["completion_tokens"],
		"gen_ai.usage.reasoning.output_tokens": answer["usage"]["reasoning_tokens"],
	}
	# The provider gets the span of the attempt as its parent, and no baggage.
	sent = {name.lower(): value for name, value in chat_site.provider.requests[-1].headers.items()}
	assert sent["traceparent"] == f"00-{TRACE_ID}-{hexadecimal(attempt)[1]}-01"
	assert "baggage" not in sent
	assert "secret" not in "".join(span.to_json() for span in spans.get_finished_spans())


def test_each_attempt_has_its_span_and_its_error(
	chat_site: ChatSite, spans: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
	arrive(monkeypatch)
	first = {
		"name": "a",
		"api": "anthropic",
		"api_base": chat_site.provider.base("anthropic"),
		"api_key": "k",
		"default_model": "claude-x",
	}
	second = {**first, "name": "b", "api": "openai", "api_base": chat_site.provider.base("openai")}
	second["default_model"] = "m2"
	settings = chat_site.configure(providers=[first, second], failover={"retries": 0, "cool_down": False})
	content = script({"for": "claude-x", "status": 503}, {"text": "Yes."})
	assert ask(chat_site, content, settings)["provider"] == "b"
	named = by_name(spans)
	assert {name: span.status.status_code for name, span in named.items()} == {
		"ai_assistant.request": StatusCode.UNSET,
		"chat claude-x": StatusCode.ERROR,
		"chat m2": StatusCode.UNSET,
	}
	failed = named["chat claude-x"].attributes or {}
	assert (failed["gen_ai.provider.name"], failed["error.type"]) == ("anthropic", "provider_unavailable")
	assert len({hexadecimal(span)[0] for span in named.values()}) == 1
	# A request that fails.
	spans.clear()
	ask(chat_site, script({"status": 401}), settings)
	request = by_name(spans)["ai_assistant.request"]
	assert request.status.status_code is StatusCode.ERROR
	assert (request.attributes or {})["error.type"] == "provider_auth"


def test_a_request_in_the_background_belongs_to_the_trace_of_its_client(
	chat_site: ChatSite, spans: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
	monkeypatch.setattr(frappe.local, "roles_of", lambda _user: [], raising=False)
	arrive(monkeypatch, traceparent=TRACEPARENT)
	settings = chat_site.configure()
	queued = queue.put(chat_site.request("hello", background=True), settings, 0.0)
	arrive(monkeypatch)
	chat = queue.take(chat_site.row(queued["request_id"])["name"])
	assert chat
	run(lifecycle.run(chat))
	assert hexadecimal(by_name(spans)["ai_assistant.request"])[0::2] == (TRACE_ID, PARENT_ID)


class Receiver(BaseHTTPRequestHandler):
	"""Takes spans in the OpenTelemetry protocol over HTTP."""

	spans: list[Span]
	services: set[str]

	def do_POST(self) -> None:
		body = self.rfile.read(int(self.headers["Content-Length"]))
		assert (self.path, self.headers["Content-Type"]) == ("/v1/traces", "application/x-protobuf")
		if self.headers["Content-Encoding"] == "gzip":
			body = gzip.decompress(body)
		for resource_spans in ExportTraceServiceRequest.FromString(body).resource_spans:
			resource = attributes_of(resource_spans.resource)
			self.services.add(str(resource["service.name"]))
			for scope_spans in resource_spans.scope_spans:
				self.spans += scope_spans.spans
		self.send_response(200)
		self.send_header("Content-Type", "application/x-protobuf")
		self.end_headers()
		self.wfile.write(ExportTraceServiceResponse().SerializeToString())

	def log_message(self, *args: Any) -> None: ...


@pytest.fixture
def receiver() -> Iterator[type[Receiver]]:
	"""A receiver on loopback. Its `address` is that of its traces."""
	handler = type("OwnReceiver", (Receiver,), {"spans": [], "services": set()})
	with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
		handler.address = f"http://127.0.0.1:{server.server_address[1]}/v1/traces"  # type: ignore[attr-defined]
		threading.Thread(target=server.serve_forever).start()
		yield handler
		server.shutdown()


def attributes_of(message: Any) -> dict[str, Any]:
	def value(any_value: AnyValue) -> Any:
		kind = any_value.WhichOneof("value")
		if kind == "array_value":
			return [value(item) for item in any_value.array_value.values]
		return getattr(any_value, str(kind))

	return {attribute.key: value(attribute.value) for attribute in message.attributes}


def test_a_receiver_of_the_protocol_gets_the_request_and_its_attempts(
	chat_site: ChatSite, receiver: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
	exporting = TracerProvider(resource=Resource({"service.name": "erp"}))
	exporting.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(receiver.address)))
	monkeypatch.setattr(trace, "get_tracer_provider", lambda: exporting)
	monkeypatch.setattr(trace, "get_tracer", exporting.get_tracer)
	arrive(monkeypatch, traceparent=TRACEPARENT)
	providers = [
		{
			"name": name,
			"api": api,
			"api_base": chat_site.provider.base(api),
			"api_key": "k",
			"default_model": model,
		}
		for name, api, model in (("a", "anthropic", "claude-x"), ("b", "openai", "m2"))
	]
	settings = chat_site.configure(providers=providers, failover={"retries": 0, "cool_down": False})
	answer = ask(chat_site, script({"for": "claude-x", "status": 503}, {"text": "Yes."}), settings)
	exporting.shutdown()

	assert receiver.services == {"erp"}
	named = {span.name: span for span in receiver.spans}
	assert sorted(named) == ["ai_assistant.request", "chat claude-x", "chat m2"]
	request, refused, answered = (named[name] for name in sorted(named))
	assert {span.trace_id.hex() for span in named.values()} == {TRACE_ID}
	assert request.parent_span_id.hex() == PARENT_ID
	assert refused.parent_span_id == answered.parent_span_id == request.span_id
	assert (request.kind, refused.kind, answered.kind) == (
		Span.SPAN_KIND_INTERNAL,
		Span.SPAN_KIND_CLIENT,
		Span.SPAN_KIND_CLIENT,
	)
	assert attributes_of(request)["ai_assistant.request_id"] == answer["request_id"]
	assert attributes_of(refused)["error.type"] == "provider_unavailable"
	attributes = attributes_of(answered)
	assert attributes["gen_ai.provider.name"] == "openai"
	assert attributes["gen_ai.request.model"] == attributes["gen_ai.response.model"] == "m2"
	assert attributes["gen_ai.response.finish_reasons"] == ["stop"]
	assert attributes["gen_ai.usage.output_tokens"] == answer["usage"]["completion_tokens"]
	assert request.start_time_unix_nano <= answered.start_time_unix_nano < answered.end_time_unix_nano
	# The provider continues the span of its attempt.
	sent = {name.lower(): value for name, value in chat_site.provider.requests[-1].headers.items()}
	assert sent["traceparent"] == f"00-{TRACE_ID}-{answered.span_id.hex()}-01"


@pytest.mark.parametrize(
	("api", "name"),
	[
		("gemini", "gcp.gemini"),
		("litellm/gemini", "gcp.gemini"),
		("litellm/vertex_ai", "gcp.vertex_ai"),
		("litellm/groq", "groq"),
		("openai_responses", "openai"),
	],
)
def test_a_provider_has_its_name_in_the_conventions(spans: InMemorySpanExporter, api: str, name: str) -> None:
	provider = Provider(name="p", api=api, api_key="k", default_model="m")
	span = tracing.begin_attempt(provider, Ask(messages=[], model="m"), None)
	assert span
	span.end()
	(finished,) = spans.get_finished_spans()
	assert (finished.attributes or {})["gen_ai.provider.name"] == name


def test_a_span_that_is_current_is_the_parent(chat_site: ChatSite, spans: InMemorySpanExporter) -> None:
	with trace.get_tracer("wsgi").start_as_current_span("POST") as server:
		ask(chat_site, "hello", chat_site.configure())
		expected = format(server.get_span_context().span_id, "016x")
	assert hexadecimal(by_name(spans)["ai_assistant.request"])[2] == expected


def test_the_rehearsal_of_a_new_process_has_no_span(
	spans: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
	monkeypatch.setattr(gc, "freeze", lambda: None)
	preload([])
	assert spans.get_finished_spans() == ()


def test_a_chat_that_its_client_leaves_ends_its_spans(
	chat_site: ChatSite, spans: InMemorySpanExporter
) -> None:
	chat = lifecycle.begin(
		chat_site.request(script({"text": "Yes"}, {"gate": "never"})), chat_site.configure(), 0.0
	)
	chunks = lifecycle.run(chat)
	next(chunks)
	chunks.close()
	request = by_name(spans)["ai_assistant.request"]
	assert (request.attributes or {})["gen_ai.response.finish_reasons"] == ("cancelled",)
	assert "chat m1" in by_name(spans)


def test_without_an_exporter_nothing_is_imported_or_passed_on(
	chat_site: ChatSite, monkeypatch: pytest.MonkeyPatch
) -> None:
	arrive(monkeypatch, traceparent=TRACEPARENT)
	assert not tracing.is_on()
	ask(chat_site, "hello", chat_site.configure())
	assert "traceparent" not in {name.lower() for name in chat_site.provider.requests[-1].headers}
	code = "import sys, ai_assistant.gateway; from ai_assistant.gateway import tracing; assert not tracing.is_on();"
	code += "assert not [name for name in sys.modules if name.startswith('opentelemetry')]"
	subprocess.run([sys.executable, "-c", code], check=True)
