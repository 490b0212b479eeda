"""Tokens as each provider counts them over real HTTP, and what they cost."""

import json
from typing import Any

import pytest

from ai_assistant.gateway import Price, Provider, Tier, Usage
from ai_assistant.gateway.models import entry, priced
from ai_assistant.gateway.usage import listed_price
from tests.support.provider import ScriptedProvider

from .asking import family, gateway, hear, scripted


def sse(*events: dict[str, Any]) -> str:
	return "".join(f"data: {json.dumps(event)}\n\n" for event in events)


def chat(usage: dict[str, Any] | None = None, **fields: Any) -> str:
	choice = {"index": 0, "delta": {"content": "Yes."}, "finish_reason": "stop"}
	counted = {} if usage is None else {"usage": usage}
	return sse({"choices": [choice], **counted, **fields}) + "data: [DONE]\n\n"


def messages(first: dict[str, Any], last: dict[str, Any]) -> str:
	return sse(
		{"type": "message_start", "message": {"usage": first}},
		{"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "Yes."}},
		{"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": last},
		{"type": "message_stop"},
	)


def gemini(**usage: Any) -> str:
	content = {"parts": [{"text": "Yes."}]}
	return sse({"candidates": [{"content": content, "finishReason": "STOP"}], "usageMetadata": usage})


def responses(usage: dict[str, Any], **fields: Any) -> str:
	payload = {"type": "response.output_text.delta", "output_index": 0, "delta": "Yes."}
	response = {"status": "completed", "output": [], "usage": usage, **fields}
	return sse(payload, {"type": "response.completed", "response": response})


# api, what the provider sends, and: prompt, of it read from the cache and written to it, completion, of it reasoning
COUNTS: list[tuple[str, str, tuple[int, int, int, int, int]]] = [
	(
		"openai",
		chat(
			{
				"prompt_tokens": 1000,
				"completion_tokens": 50,
				"total_tokens": 1050,
				"prompt_tokens_details": {"cached_tokens": 900},
				"completion_tokens_details": {"reasoning_tokens": 40},
			}
		),
		(1000, 900, 0, 50, 40),
	),
	# xAI counts the reasoning in the total alone.
	(
		"openai",
		chat(
			{
				"prompt_tokens": 32,
				"completion_tokens": 9,
				"total_tokens": 135,
				"prompt_tokens_details": {"cached_tokens": 6},
				"completion_tokens_details": {"reasoning_tokens": 94},
			}
		),
		(32, 6, 0, 103, 94),
	),
	# Gemini's chat completions do so too, and give it no name.
	(
		"openai",
		chat({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 45}),
		(10, 0, 0, 35, 30),
	),
	# Perplexity's deep research leaves it out of the total as well.
	(
		"openai",
		chat({"prompt_tokens": 33, "completion_tokens": 50, "total_tokens": 83, "reasoning_tokens": 900}),
		(33, 0, 0, 950, 900),
	),
	(
		"groq",
		chat(
			x_groq={
				"id": "req_1",
				"usage": {
					"queue_time": 0.1,
					"prompt_tokens": 70,
					"completion_tokens": 8,
					"total_tokens": 78,
					"prompt_tokens_details": {"cached_tokens": 64},
				},
			}
		),
		(70, 64, 0, 8, 0),
	),
	(
		"deepseek",
		chat(
			{
				"prompt_tokens": 100,
				"completion_tokens": 20,
				"total_tokens": 120,
				"prompt_cache_hit_tokens": 64,
				"prompt_cache_miss_tokens": 36,
				"completion_tokens_details": {"reasoning_tokens": 12},
			}
		),
		(100, 64, 0, 20, 12),
	),
	# Moonshot
	(
		"openai",
		chat({"prompt_tokens": 30, "completion_tokens": 4, "total_tokens": 34, "cached_tokens": 20}),
		(30, 20, 0, 4, 0),
	),
	# Azure counts the cached tokens of xAI's models apart, and leaves them out of the total.
	(
		"openai",
		chat(
			{
				"prompt_tokens": 7,
				"completion_tokens": 8,
				"total_tokens": 15,
				"prompt_tokens_details": {"text_tokens": 7, "cached_tokens": 161},
				"cost_in_usd_ticks": 0,
			}
		),
		(168, 161, 0, 8, 0),
	),
	# Mistral counts the audio of a prompt in the total alone.
	(
		"mistral",
		chat(
			{
				"prompt_tokens": 11,
				"completion_tokens": 15,
				"total_tokens": 401,
				"prompt_audio_seconds": 5,
				"prompt_tokens_details": {"audio_tokens": 375, "cached_tokens": 9},
			}
		),
		(386, 9, 0, 15, 0),
	),
	(
		"openrouter",
		chat(
			{
				"prompt_tokens": 500,
				"completion_tokens": 10,
				"total_tokens": 510,
				"prompt_tokens_details": {"cached_tokens": 300, "cache_write_tokens": 150},
			}
		),
		(500, 300, 150, 10, 0),
	),
	(
		"anthropic",
		messages(
			{"input_tokens": 10, "cache_read_input_tokens": 900, "cache_creation_input_tokens": 80},
			{"output_tokens": 40, "output_tokens_details": {"thinking_tokens": 30}},
		),
		(990, 900, 80, 40, 30),
	),
	# Late, and by how long they are kept.
	(
		"anthropic",
		messages(
			{"input_tokens": 10},
			{
				"input_tokens": 12,
				"output_tokens": 4,
				"cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200},
			},
		),
		(312, 0, 300, 4, 0),
	),
	# The summary of a long conversation is not in the totals.
	(
		"anthropic",
		messages(
			{"input_tokens": 1},
			{
				"input_tokens": 612,
				"output_tokens": 2819,
				"iterations": [
					{"type": "compaction", "input_tokens": 60385, "output_tokens": 522},
					{"type": "message", "input_tokens": 612, "output_tokens": 2819},
				],
			},
		),
		(60997, 0, 0, 3341, 0),
	),
	(
		"gemini",
		gemini(
			promptTokenCount=1000,
			toolUsePromptTokenCount=50,
			cachedContentTokenCount=800,
			candidatesTokenCount=20,
			thoughtsTokenCount=30,
			totalTokenCount=1100,
		),
		(1050, 800, 0, 50, 30),
	),
	# The thoughts within the answer.
	(
		"gemini",
		gemini(promptTokenCount=10, candidatesTokenCount=50, thoughtsTokenCount=30, totalTokenCount=60),
		(10, 0, 0, 50, 30),
	),
	(
		"openai_responses",
		responses(
			{
				"input_tokens": 1000,
				"input_tokens_details": {"cached_tokens": 900, "cache_write_tokens": 60},
				"output_tokens": 50,
				"output_tokens_details": {"reasoning_tokens": 40},
				"total_tokens": 1050,
			}
		),
		(1000, 900, 60, 50, 40),
	),
	(
		"ollama_chat",
		json.dumps(
			{
				"message": {"content": "Yes."},
				"done": True,
				"done_reason": "stop",
				"prompt_eval_count": 26,
				"eval_count": 9,
			}
		)
		+ "\n",
		(26, 0, 0, 9, 0),
	),
]


def counted(server: ScriptedProvider, api: str, raw: str, **fields: Any) -> Usage:
	usage = hear(
		gateway(family(server, api, **fields)).stream_generate(scripted([{"raw": raw}]))
	).completion.usage
	assert usage
	return usage


@pytest.mark.parametrize(("api", "raw", "counts"), COUNTS)
def test_every_wire_counts_alike(
	server: ScriptedProvider, api: str, raw: str, counts: tuple[int, int, int, int, int]
) -> None:
	usage = counted(server, api, raw)
	usages = (
		usage.prompt_tokens,
		usage.cached_tokens,
		usage.cache_write_tokens,
		usage.completion_tokens,
		usage.reasoning_tokens,
	)
	assert (usages, usage.total_tokens, usage.estimated) == (counts, counts[0] + counts[3], False)


PRICE = Price(
	3,
	15,
	cache_read=0.3,
	cache_write=3.75,
	cache_write_1h=6,
	tiers=(
		Tier(above_tokens=200_000, input=6, output=22.5),
		Tier(service_tier="priority", input=10),
		Tier(above_tokens=200_000, service_tier="priority", input=20),
	),
)


@pytest.mark.parametrize(
	("usage", "hour_tokens", "service_tier", "dollars"),
	[
		(Usage(1000, 100, 40, 1100), 0, None, 1000 * 3 + 100 * 15),
		(
			Usage(1000, 0, 0, 1000, cached_tokens=500, cache_write_tokens=300),
			100,
			None,
			200 * 3 + 500 * 0.3 + 200 * 3.75 + 100 * 6,
		),
		(Usage(200_000, 0, 0, 200_000), 0, None, 200_000 * 3),
		(Usage(200_001, 1, 0, 200_002), 0, None, 200_001 * 6 + 22.5),
		(Usage(1000, 1, 0, 1001), 0, "priority", 1000 * 10 + 15),
		(Usage(1000, 1, 0, 1001), 0, "default", 1000 * 3 + 15),
		(Usage(300_000, 1, 0, 300_001), 0, "priority", 300_000 * 20 + 22.5),
	],
)
def test_a_price_has_tiers(usage: Usage, hour_tokens: int, service_tier: str | None, dollars: float) -> None:
	assert PRICE.cost_usd(usage, hour_tokens, service_tier) == pytest.approx(dollars / 1e6)


def test_what_has_no_price_of_its_own_costs_as_much_as_the_rest() -> None:
	usage = Usage(100, 10, 5, 110, cached_tokens=40, cache_write_tokens=20)
	assert Price(2, 4).cost_usd(usage, 20) == pytest.approx((100 * 2 + 10 * 4) / 1e6)
	assert Price(2, 4, cache_write=3).cost_usd(usage, 20) == pytest.approx((80 * 2 + 20 * 3 + 40) / 1e6)


def test_the_list_has_prices_for_an_hour_for_long_prompts_and_for_service_tiers() -> None:
	claude = listed_price(entry("anthropic", "claude-sonnet-4-5"))
	assert claude and (claude.cache_write, claude.cache_write_1h) == pytest.approx((3.75, 6))
	(long,) = claude.tiers
	assert (long.above_tokens, long.input, long.cache_write_1h) == pytest.approx((200_000, 6, 12))
	gpt = listed_price(entry("openai", "gpt-5.4"))
	assert gpt
	flex, usage = {tier.service_tier: tier for tier in gpt.tiers}["flex"], Usage(1000, 0, 0, 1000)
	assert flex.input and gpt.cost_usd(usage, service_tier="flex") == pytest.approx(flex.input / 1000)
	assert listed_price({"input_cost_per_token": 1}) is None
	ranges = [
		{"range": [0, 100], "input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6},
		{"range": [100, 900], "input_cost_per_token": 3e-6, "output_cost_per_token": 4e-6},
	]
	assert listed_price({"tiered_pricing": ranges}) == Price(1, 2, tiers=(Tier(100, None, 3, 4),))


@pytest.mark.parametrize(
	("api", "model", "raw", "dollars"),
	[
		# 3 for input, 6 to write for an hour, 3.75 for 5 minutes, 15 for output
		(
			"anthropic",
			"claude-sonnet-4-5",
			messages(
				{
					"input_tokens": 10,
					"cache_creation_input_tokens": 300,
					"cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200},
				},
				{"output_tokens": 4},
			),
			10 * 3 + 100 * 3.75 + 200 * 6 + 4 * 15,
		),
		(
			"openai_responses",
			"gpt-5.4",
			responses({"input_tokens": 1000, "output_tokens": 10}, service_tier="flex"),
			1000 * 1.25 + 10 * 7.5,
		),
		(
			"openai",
			"gpt-5.4",
			chat({"prompt_tokens": 1000, "completion_tokens": 10}, service_tier="priority"),
			1000 * 5 + 10 * 30,
		),
		(
			"gemini",
			"gemini-3-pro-preview",
			gemini(promptTokenCount=1000, candidatesTokenCount=10, trafficType="ON_DEMAND_PRIORITY"),
			1000 * 3.6 + 10 * 21.6,
		),
	],
)
def test_a_service_tier_and_an_hour_have_their_own_price(
	server: ScriptedProvider, api: str, model: str, raw: str, dollars: float
) -> None:
	assert counted(server, api, raw, default_model=model).cost_usd == pytest.approx(dollars / 1e6)


@pytest.mark.parametrize(
	("charged", "dollars"),
	[
		({"cost": 0.0125}, 0.0125),
		({"cost": 0.01, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.2}}, 0.21),
		({"cost": {"total_cost": 0.5}}, 0.5),
		({"cost_in_usd_ticks": 37_756_000}, 0.0037756),
	],
)
def test_what_a_provider_charges_wins_over_the_list_and_not_over_the_sites_own_price(
	server: ScriptedProvider, charged: dict[str, Any], dollars: float
) -> None:
	raw = chat({"prompt_tokens": 1_000_000, "completion_tokens": 0, **charged})
	assert counted(server, "openai", raw, default_model="gpt-5").cost_usd == pytest.approx(dollars)
	assert counted(server, "openai", raw, prices={"*": Price(2, 4)}).cost_usd == pytest.approx(2)


@pytest.mark.parametrize(
	("api", "model"),
	[
		("gemini", "models/gemini-2.5-pro"),
		("gemini", "Gemini-2.5-Pro"),
		("openai", "GPT-5"),
		("openai", "gpt-5 "),
	],
)
def test_another_spelling_of_a_model_has_the_same_price(api: str, model: str) -> None:
	usage = Usage(1000, 10, 0, 1010)
	any_model = Provider("p", api, "k", "m")
	usual = model.removeprefix("models/").strip().lower()
	assert priced(usage, any_model, usual).cost_usd
	assert priced(usage, any_model, model) == priced(usage, any_model, usual)
	own = Provider("p", api, "k", "m", prices={usual: Price(2, 4), "*": Price(0, 0)})
	assert priced(usage, own, model).cost_usd == pytest.approx((1000 * 2 + 10 * 4) / 1e6)
