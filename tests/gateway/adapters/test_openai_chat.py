"""Tests what the direct adapter does itself: connections, bounds, and the prices of litellm's list."""

import gzip
import json
import subprocess
import sys
from typing import Any

import pytest

from ai_assistant.gateway import Provider, Usage, models, sse
from ai_assistant.gateway.adapters import chat_apis, openai_chat
from ai_assistant.gateway.adapters.litellm import client
from ai_assistant.gateway.chunks import Ask
from ai_assistant.gateway.sse import Lines, Objects, ProtocolError
from ai_assistant.gateway.usage import listed_price
from tests.gateway.asking import ADAPTERS, DIRECT, family, gateway, hear, scripted
from tests.gateway.test_faults import somebody_who_says
from tests.support.provider import ScriptedProvider

EVERY_API = pytest.mark.parametrize("api", DIRECT)

WITHOUT_LITELLM = """
import json, sys
from ai_assistant.gateway import Gateway, Provider, ProviderError
for prompt in json.loads(sys.argv[2]):
	one = Gateway([Provider("p", "openai", "-", "gpt-5", api_base=sys.argv[1])])
	ask = {"messages": [{"role": "user", "content": prompt}], "temperature": 0.5, "reasoning_effort": "low"}
	try:
		*_, end = one.stream_generate(**ask)
		print(end.finish_reason, end.dropped, end.usage.cost_usd > 0)
	except ProviderError as error:
		print(error.code)
print({"litellm", "openai", "httpx", "pydantic"} & set(sys.modules))
"""


def test_a_process_that_asks_only_such_providers_never_imports_litellm() -> None:
	scripts: list[list[dict[str, Any]]] = [[{"text": "Yes."}], [{"status": 429}], [{"cut": True}]]
	with ScriptedProvider() as fresh:
		prompts = json.dumps([json.dumps(script) for script in scripts])
		command = [sys.executable, "-c", WITHOUT_LITELLM, fresh.base("openai"), prompts]
		run = subprocess.run(command, capture_output=True, text=True)
	answered = "stop ('temperature',) True"
	failed = ["rate_limited", "provider_unavailable"]
	assert (run.stdout.splitlines(), run.stderr) == ([answered, *failed, "set()"], "")


# The list


# Not Azure, whose models litellm lists by their regions, Databricks, for whose models it makes budgets, and DashScope, whose tiers it adds up, where Alibaba charges a
# whole request by the tier of its length.
COMPARED = chat_apis.APIS.keys() - {"azure", "alibaba", "dashscope", "databricks"}


def listed_models() -> list[tuple[str, str]]:
	chats = [name for name, entry in client.load().model_cost.items() if entry.get("mode") == "chat"]
	apis = {name: str(models.load().get(name, {}).get("litellm_provider")) for name in chats}
	# OpenRouter's own (openrouter/auto) litellm does not find.
	return [
		(api, name.removeprefix(f"{api}/"))
		for name, api in apis.items()
		if api in COMPARED and name.count("openrouter/") < 2
	]


def test_what_a_model_costs_is_what_litellm_makes_of_the_list() -> None:
	litellm = client.load()
	compared = 0
	for api, model in listed_models():
		for prompt, cached, completion, reasoning in ((1000, 0, 500, 0), (300_000, 2000, 900, 600)):
			if "cache_read_input_token_cost" not in models.entry(api, model):
				# litellm counts them as free then; they are paid for like the others.
				cached = 0
			usage = litellm.Usage(
				prompt_tokens=prompt,
				completion_tokens=completion,
				total_tokens=prompt + completion,
				prompt_tokens_details={"cached_tokens": cached},
				completion_tokens_details={"reasoning_tokens": reasoning},
			)
			theirs = sum(litellm.cost_per_token(model=model, custom_llm_provider=api, usage_object=usage))
			price = listed_price(models.entry(api, model))
			counts = Usage(prompt, completion, reasoning, prompt + completion, cached_tokens=cached)
			# Without a price litellm says that it costs nothing.
			assert (price.cost_usd(counts) if price else 0) == pytest.approx(theirs), (api, model)
			compared += 1
	assert compared > 500


def test_the_same_is_dropped_as_by_litellm() -> None:
	litellm = client.load()
	wanted: list[dict[str, Any]] = [
		{"temperature": 0.5},
		{"temperature": 1.0},
		{"reasoning_effort": "high"},
		{"reasoning_effort": "none", "temperature": 0.5},
		{"reasoning_effort": "medium", "temperature": 0.5, "max_tokens": 9},
	]
	compared = 0
	for api, model in listed_models():
		if api in ("mistral", "fireworks_ai") or "deep-research" in model or model.startswith("ft:o"):
			# Mistral's models that think need not be asked (litellm rewrites the prompt); litellm guesses
			# at Fireworks' models by names alike, has no effort for a research, and sends
			# a tuned o4 a temperature.
			continue
		for options in wanted:
			ask = Ask([], model, **options)
			theirs = client.parameters(litellm, api, ask, [])[1]
			assert openai_chat.parameters(api, ask, models.entry(api, model))[1] == theirs, (
				api,
				model,
				options,
			)
			compared += 1
	assert compared > 500


def test_a_fine_tuned_model_costs_what_its_kind_does() -> None:
	assert models.entry("openai", "ft:gpt-4o-2024-08-06:me::7") == models.load()["ft:gpt-4o-2024-08-06"]
	assert models.entry("groq", "gpt-4o") == {}


@pytest.mark.parametrize(
	("model", "name"),
	[("gpt-5", "max_completion_tokens"), ("o3", "max_completion_tokens"), ("m", "max_tokens")],
)
def test_max_tokens_is_called_as_the_model_has_it(model: str, name: str) -> None:
	assert openai_chat.parameters("openai", Ask([], model, max_tokens=7), {})[0] == {name: 7}


# Connections


def test_what_one_provider_sets_no_other_is_sent(server: ScriptedProvider, marker: str) -> None:
	script = [{"status": 429, "headers": {"set-cookie": "a=secret; Path=/"}}]
	hear(gateway(family(server, "openai")).stream_generate(scripted(script)))
	hear(gateway(family(server, "openai")).stream_generate(scripted([], marker)))
	assert "cookie" not in server.wait_for(marker).headers


def test_a_configured_header_does_not_take_the_place_of_the_key(
	server: ScriptedProvider, marker: str
) -> None:
	extra = {
		"extra_headers": {"Authorization": "Bearer another", "X-Team": 7},
		"extra_body": {"model": "x", "a": 1},
	}
	hear(gateway(family(server, "openai", extra=extra)).stream_generate(scripted([], marker)))
	told = server.wait_for(marker)
	assert told.key != "another" and told.headers["x-team"] == "7"
	assert (told.body["model"], told.body["a"]) == ("m1", 1)


def test_what_has_no_address_needs_one() -> None:
	heard = hear(gateway(Provider("p", "hosted_vllm", "-", "m")).stream_generate(scripted([])))
	assert heard.failure.kind == "misconfigured"


def test_a_model_of_fireworks_has_its_whole_name(server: ScriptedProvider, marker: str) -> None:
	one = Provider("p", "fireworks_ai", "-", "llama", api_base=server.base("openai"))
	hear(gateway(one).stream_generate(scripted([], marker)))
	assert server.wait_for(marker).body["model"] == "accounts/fireworks/models/llama"


@pytest.mark.parametrize(
	("api", "extra"),
	[
		("openai", {"stream_options": None, "stop": None}),
		("openai", {"extra_body": {"stream_options": None, "stop": None}}),
		("litellm/openai", {"stream_options": None, "stop": None}),
	],
)
def test_a_parameter_that_is_null_is_not_sent(
	server: ScriptedProvider, marker: str, api: str, extra: dict[str, Any]
) -> None:
	hear(gateway(family(server, api, extra=extra)).stream_generate(scripted([], marker)))
	assert not {"stream_options", "stop"} & set(server.wait_for(marker).body)


@pytest.mark.parametrize("api", ["openai", "litellm/openai"])
def test_how_usage_is_asked_for_can_be_said_otherwise(
	server: ScriptedProvider, marker: str, api: str
) -> None:
	options = {"include_usage": True, "continuous_usage_stats": True}
	one = gateway(family(server, api, extra={"stream_options": options}))
	hear(one.stream_generate(scripted([], marker)))
	assert server.wait_for(marker).body["stream_options"] == options


def test_a_web_page_is_known_by_its_type(server: ScriptedProvider) -> None:
	page = b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 6\r\n\r\n<html>"
	with somebody_who_says(page) as address:
		one = gateway(family(server, "openai", api_base=address))
		assert hear(one.stream_generate(scripted([]))).failure.kind == "junk"


@EVERY_API
def test_an_answer_that_was_not_to_be_streamed_is_read_too(server: ScriptedProvider, api: str) -> None:
	message = {"role": "assistant", "content": "Yes.", "reasoning": "Hm."}
	payload = {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
	heard = hear(
		gateway(family(server, api)).stream_generate(scripted([{"raw": json.dumps(payload, indent=1)}]))
	)
	assert (heard.reasoning, heard.text) == ("Hm.", "Yes.")


def test_reasoning_may_be_in_its_details_alone(server: ScriptedProvider) -> None:
	details = [{"type": "reasoning.summary", "summary": "Hm"}, {"type": "reasoning.text", "text": "."}]
	payload = {"choices": [{"index": 0, "delta": {"reasoning_details": details}}]}
	script = [{"text": ""}, {"raw": f"data: {json.dumps(payload)}\n\n"}, {"finish": "stop"}]
	assert hear(gateway(family(server, "openrouter")).stream_generate(scripted(script))).reasoning == "Hm."


@pytest.mark.parametrize("api", ["openai", "litellm/openai"])
def test_of_several_answers_one_is_given(server: ScriptedProvider, api: str) -> None:
	def answer_choice(index: int, text: str, finish: str | None = None) -> dict[str, str]:
		choice = {"index": index, "delta": {"content": text}, "finish_reason": finish}
		whole = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m1"}
		return {"raw": f"data: {json.dumps({**whole, 'choices': [choice]})}\n\n"}

	script = [
		answer_choice(0, "On"),
		answer_choice(1, "Other", "length"),
		answer_choice(0, "e", "stop"),
		{"raw": "data: [DONE]\n\n"},
	]
	heard = hear(gateway(family(server, api)).stream_generate(scripted(script)))
	assert (heard.text, heard.completion.finish_reason) == ("One", "stop")


def test_usage_may_be_in_a_choice(server: ScriptedProvider) -> None:
	usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
	choice = {"index": 0, "delta": {"content": "Yes."}, "finish_reason": "stop", "usage": usage}
	script = [{"raw": f"data: {json.dumps({'choices': [choice]})}\n\ndata: [DONE]\n\n"}]
	counted = hear(gateway(family(server, "openai")).stream_generate(scripted(script))).completion.usage
	assert counted and (counted.prompt_tokens, counted.completion_tokens, counted.estimated) == (3, 2, False)


# Bounds and lines


EVENT = """\
: a comment
retry: 3000
id: 7
event: chunk
data: {"a": [
: another
id: 8
data
event: message
data: 1]}
retry
id
event:

data: [DONE]
"""


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_the_other_fields_of_an_event_are_no_part_of_its_data(end: str) -> None:
	stream = EVENT.replace("\n", end).encode()
	for cut in range(len(stream) + 1):
		cutter, objects = Lines(), Objects()
		objects_read = [
			read_object
			for part in (stream[:cut], stream[cut:])
			for read_object in objects.of(cutter.of(part))
		]
		assert [*objects_read, *objects.of(cutter.end())] == [{"a": [1]}, None]
		objects.end()


@pytest.mark.parametrize("api", ADAPTERS)
def test_a_line_without_an_end_is_not_heaped_up(
	server: ScriptedProvider, monkeypatch: pytest.MonkeyPatch, api: str
) -> None:
	monkeypatch.setattr(sse, "MAX_BYTES", 100_000)
	endless = [{"raw": "x" * 50_000}] * 4 + [{"hang": True}]
	heard = hear(gateway(family(server, api)).stream_generate(scripted([{"text": "a"}, *endless])))
	assert (heard.failure.kind, heard.text) == ("junk", "a")


@pytest.mark.parametrize("api", ADAPTERS)
def test_a_line_is_as_long_as_what_it_unpacks_to(
	server: ScriptedProvider, monkeypatch: pytest.MonkeyPatch, api: str, marker: str
) -> None:
	hear(gateway(family(server, api)).stream_generate(scripted([{"text": "a"}], marker)))
	assert server.wait_for(marker).headers["accept-encoding"] == "identity"
	monkeypatch.setattr(sse, "MAX_BYTES", 100_000)
	packed = gzip.compress(b"data: " + b"x" * 10_000_000)
	head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-encoding: gzip\r\n"
	head += f"content-length: {len(packed)}\r\n\r\n"
	assert len(packed) < sse.MAX_BYTES
	with somebody_who_says(head.encode() + packed) as address:
		heard = hear(gateway(family(server, api, api_base=address)).stream_generate(scripted([])))
	assert heard.failure.kind == "junk"


def test_a_line_that_begins_behind_another_is_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
	monkeypatch.setattr(sse, "MAX_BYTES", 1000)
	lines = sse.Lines().of(b"a\n" + b"x" * 1001)
	assert next(lines) == "a"
	with pytest.raises(ProtocolError):
		next(lines)


def test_an_object_that_does_not_end_is_not_heaped_up(monkeypatch: pytest.MonkeyPatch) -> None:
	monkeypatch.setattr(sse, "MAX_BYTES", 1000)
	with pytest.raises(ProtocolError):
		list(Objects().of(['data: {"a": ['] + ["data: 1,"] * 1000))


def test_a_whole_answer_is_bounded(server: ScriptedProvider, monkeypatch: pytest.MonkeyPatch) -> None:
	monkeypatch.setattr(sse, "MAX_BYTES", 1000)
	heard = hear(
		gateway(family(server, "openai")).stream_generate(scripted([{"at_once": True}, {"text": "x" * 5000}]))
	)
	assert heard.failure.kind == "junk"


def test_a_whole_answer_is_read_no_further_than_its_bound(
	server: ScriptedProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
	monkeypatch.setattr(sse, "MAX_BYTES", 1000)
	head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000000\r\n\r\n"
	with somebody_who_says(head + b" " * 5000) as address:
		one = gateway(family(server, "openai", api_base=address))
		heard = hear(one.stream_generate(scripted([])))
	# Read on, it would have broken off.
	assert heard.failure.kind == "junk"


def test_lines_end_where_events_have_their_ends_and_nowhere_else() -> None:
	stream = "\ufeffa\r\nb\rc\n\u2028d\u0085\n\r\n\re".encode()
	expected = ["a", "b", "c", "\u2028d\u0085", "", "", "e"]
	for cut in range(len(stream) + 1):
		for other in range(cut, len(stream) + 1):
			cutter = Lines()
			parts = (stream[:cut], stream[cut:other], stream[other:])
			assert [line for part in parts for line in cutter.of(part)] + list(cutter.end()) == expected
