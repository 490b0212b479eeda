"""Tests the fields of a provider: prices, keys, roles, limits, models and their aliases."""

from typing import Any

import pytest

from ai_assistant.config import settings
from ai_assistant.gateway import ModelInfo, Price, Tier

from .loading import PROVIDER, load


def test_the_default_provider_is_the_named_one_or_the_first_in_order() -> None:
	providers = [{**PROVIDER, "name": "b", "priority": 2}, {**PROVIDER, "name": "a", "priority": 2}]
	for named, expected in ((None, "a"), ("b", "b"), ("disabled", "a")):
		loaded = load({"providers": providers, "default_provider": named}).default
		assert loaded and loaded.name == expected
	assert load({"default_provider": "b"}).default is None


def test_what_is_pasted_with_a_provider_is_no_part_of_it() -> None:
	pasted = {"api": "openai ", "api_key": "sk-x\n", "api_base": " http://x/v1\t", "default_model": " m "}
	loaded = load({"providers": [{"name": "p", **pasted, "models": [" m"], "extra": {"n": 1}}]}).providers[0]
	assert (loaded.api, loaded.api_key, loaded.api_base) == ("openai", "sk-x", "http://x/v1")
	assert (loaded.default_model, loaded.models) == ("m", ("m",))


def test_litellm_puts_the_path_of_azure_before_a_query_itself() -> None:
	azure = {**PROVIDER, "api": "azure_ai", "api_base": "https://x.example.com/models?api-version=1"}
	assert load({"providers": [azure]}).providers[0].api_base == azure["api_base"]


def test_prices_are_by_model_with_one_for_the_rest() -> None:
	fields = {"m": {"input": 1, "output": 2.5}, "*": {"input": 0, "output": 0}}
	(provider,) = load({"providers": [{**PROVIDER, "prices": fields}]}).providers
	assert (provider.price("m"), provider.price("other")) == (Price(1, 2.5), Price(0, 0))
	assert load({"providers": [PROVIDER]}).providers[0].price("m") is None


def test_a_price_may_name_the_cache_long_prompts_and_service_tiers() -> None:
	tiers = [{"above_tokens": 200_000, "input": 6, "output": 22.5}, {"service_tier": "flex", "input": 1.5}]
	fields = {"input": 3, "output": 15, "cache_read": 0.3, "cache_write": 3.75, "cache_write_1h": 6}
	(provider,) = load({"providers": [{**PROVIDER, "prices": {"m": {**fields, "tiers": tiers}}}]}).providers
	expected = Price(3, 15, 0.3, 3.75, 6, tiers=(Tier(200_000, None, 6, 22.5), Tier(0, "flex", 1.5)))
	assert provider.price("m") == expected


@pytest.mark.parametrize(
	("tiers", "names"),
	[
		({"above_tokens": 1}, "prices.m.tiers accepts a list"),
		([5], "prices.m.tiers[0] accepts an object"),
		([{}, {"above": 1}], "prices.m.tiers[1].above accepts one of"),
		([{"input": "much"}], "prices.m.tiers[0].input accepts a number"),
	],
)
def test_a_wrong_tier_is_named(tiers: Any, names: str) -> None:
	fields = {**PROVIDER, "prices": {"m": {"input": 3, "output": 15, "tiers": tiers}}}
	((_name, reason),) = load({"providers": [fields]}).set_aside
	assert names in reason


def test_aliases_name_a_model_of_a_provider() -> None:
	loaded = load({"providers": [PROVIDER], "aliases": [{"name": "fast", "provider": "p", "model": "m"}]})
	assert loaded.aliases == {"fast": settings.Alias("fast", "p", "m")}
	assert loaded.set_aside == ()


@pytest.mark.parametrize(
	("alias", "where", "accepted"),
	[
		({"name": "fast", "provider": "q", "model": "m"}, "fast", "aliases[0].provider accepts the name of a provider"),
		({"provider": "p", "model": "m"}, "aliases[0]", "aliases[0].name accepts a string that is not empty"),
		({"name": "fast", "provider": "p"}, "fast", "aliases[0].model accepts a string that is not empty"),
		({"name": "fast", "provider": "p", "model": 3}, "fast", "aliases[0].model accepts a string"),
		("fast", "aliases[0]", "aliases[0] accepts an object"),
	],
)  # fmt: skip
def test_a_wrong_alias_is_set_aside_and_the_others_stay(alias: Any, where: str, accepted: str) -> None:
	good = {"name": "good", "provider": "p", "model": "m"}
	loaded = load({"providers": [PROVIDER], "aliases": [alias, good]})
	assert list(loaded.aliases) == ["good"]
	((name, reason),) = loaded.set_aside
	assert name == where
	assert accepted in reason


def test_an_alias_of_a_model_that_its_provider_has_not_is_set_aside() -> None:
	limited = {**PROVIDER, "models": ["m"]}
	loaded = load({"providers": [limited], "aliases": [{"name": "fast", "provider": "p", "model": "x"}]})
	assert loaded.aliases == {}
	assert "aliases[0].model accepts one of the models of its provider" in loaded.set_aside[0][1]


def test_roles_of_providers_and_models_are_read() -> None:
	loaded = load({"providers": [{**PROVIDER, "roles": ["Sales"], "model_roles": {"m": ["Research"]}}]})
	(provider,) = loaded.providers
	assert (provider.roles, provider.model_roles) == (("Sales",), {"m": ("Research",)})


@pytest.mark.parametrize(
	"wrong", [{"roles": "Sales"}, {"roles": [3]}, {"model_roles": {"m": "Sales"}}, {"model_roles": ["m"]}]
)
def test_a_provider_with_a_wrong_limit_is_not_open_to_everybody(wrong: dict[str, Any]) -> None:
	loaded = load({"providers": [{**PROVIDER, **wrong}]})
	assert loaded.providers == ()
	assert next(iter(wrong)) in loaded.set_aside[0][1]


def test_a_provider_may_have_several_keys(monkeypatch: pytest.MonkeyPatch) -> None:
	keys = [
		{"label": "blue", "api_key": " sk-blue ", "weight": 2},
		{"label": "red", "api_key": "sk-red"},
		{"label": "old", "api_key": "sk-old", "enabled": False},
	]
	provider = settings.provider_of({"name": "a", "api": "openai", "default_model": "m", "keys": keys})
	assert [(key.label, key.api_key, key.weight) for key in provider.keys] == [
		("blue", "sk-blue", 2),
		("red", "sk-red", 1),
	]
	assert provider.api_key == "sk-blue"


@pytest.mark.parametrize(
	("keys", "accepted"),
	[
		([], "keys accepts at least one key"),
		([{"label": "a"}], "keys[0].api_key accepts"),
		([{"label": "a", "api_key": "1"}, {"label": "a", "api_key": "2"}], "keys[1].label accepts"),
		([{"label": "a", "api_key": "1", "enabled": False}], "keys accepts at least one key"),
		([{"label": "a", "api_key": "1", "wait": 2}], "keys[0].wait accepts one of label, api_key, weight"),
	],
)
def test_keys_that_are_wrong_are_named(keys: list[dict[str, Any]], accepted: str) -> None:
	with pytest.raises(settings.Wrong) as wrong:
		settings.provider_of({"name": "a", "api": "openai", "default_model": "m", "keys": keys})
	assert accepted in str(wrong.value)


def test_an_administrators_figures_of_a_model_are_read() -> None:
	figures = {"context_window": 1000, "vision": False, "efforts": ["low", "high"]}
	provider = settings.provider_of({**PROVIDER, "details": {"m": figures}})
	assert provider.details == {"m": ModelInfo(1000, vision=False, efforts=("low", "high"))}
