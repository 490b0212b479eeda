"""Tokens as each provider counts them over real HTTP, and what they cost."""

from typing import Any

import pytest

from ai_assistant.gateway import Price, Provider, Tier, Usage
from ai_assistant.gateway.models import entry, price, priced
from ai_assistant.gateway.usage import listed_price
from tests.support.provider import ScriptedProvider

from .asking import family, gateway, hear, scripted
from .counted_answers import COUNTS, chat, gemini, messages, responses


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


LOCAL = ["ollama", "ollama_chat", "lm_studio", "llamafile", "lemonade", "vllm"]


@pytest.mark.parametrize("prefix", ["", "litellm/"])
@pytest.mark.parametrize("api", LOCAL)
def test_a_model_that_the_operators_own_machine_runs_costs_nothing(api: str, prefix: str) -> None:
	for model in ("llama3", "a-model:8b"):
		provider = Provider("p", prefix + api, "none", model)
		assert priced(Usage(1000, 1000, 0, 2000), provider, model).cost_usd == 0.0


@pytest.mark.parametrize(
	("api", "model", "address"),
	[
		("hosted_vllm", "m", None),
		("openai", "m", "http://127.0.0.1:8080/v1"),
		("ollama_chat", "a-model:cloud", None),
		("ollama_chat", "a-model:8b-cloud", None),
		# litellm's list has these two at 0.
		("ollama_chat", "gpt-oss:120b-cloud", None),
		("ollama_chat", "llama3.1", "https://OLLAMA.com"),
		("ollama_chat", "a-model:8b", "https://ollama.com"),
		("ollama", "a-model:8b", "https://www.ollama.com/api"),
	],
)
def test_a_model_that_a_server_of_somebody_else_may_run_has_no_known_price(
	api: str, model: str, address: str | None
) -> None:
	assert price(Provider("p", api, "none", model, api_base=address), model) is None


def test_a_local_model_has_the_price_that_the_administrator_gives_it() -> None:
	own = Price(0.1, 0.4)
	assert price(Provider("p", "ollama_chat", "none", "m", prices={"*": own}), "m") == own
