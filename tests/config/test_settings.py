"""Tests the settings that a configuration gives, and the message for a wrong configuration."""

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import frappe
import pytest

from ai_assistant.config import forms, settings
from ai_assistant.config.sections import Alerts, Budgets, Failover, Limits, Realtime, Retention, SiteTimeouts

from .loading import PROVIDER, load


def test_a_site_without_configuration_has_the_shipped_modes_and_no_provider() -> None:
	loaded = load(None)
	assert list(loaded.modes) == ["chat", "agent"]
	assert loaded.providers == ()
	assert (loaded.timeouts.total_s, loaded.limits.max_messages, loaded.realtime.enabled) == (
		110,
		10_000,
		True,
	)
	assert (loaded.limits.max_chars, loaded.limits.continuations_per_minute) == (None, 120)


def test_the_contracts_example_is_understood() -> None:
	loaded = load(
		{
			"providers": [
				{
					"name": "claude",
					"api": "anthropic",
					"api_key": "k",
					"models": ["claude-sonnet-4-5"],
					"default_model": "claude-sonnet-4-5",
					"priority": 1,
				},
				{
					"name": "local",
					"api": "openai",
					"api_base": "http://127.0.0.1:8080/v1",
					"api_key": "none",
					"models": ["*"],
					"default_model": "smollm2",
					"priority": 2,
				},
			],
			"modes": [
				{"name": "agent", "system_prompt": "Act.", "provider": None, "reasoning_effort": "medium"}
			],
			"limits": {
				"max_messages": 200,
				"max_chars": 400000,
				"max_tokens": 32000,
				"requests_per_minute": 20,
				"concurrent_per_user": 4,
				"concurrent_per_site": 64,
			},
			"timeouts": {"first_token_s": 60, "idle_s": 60, "total_s": 110, "total_background_s": 1200},
			"realtime": {"enabled": True, "max_delay_ms": 1000},
		}
	)
	assert loaded.limits == settings.Limits(max_messages=200, max_chars=400_000)
	assert [provider.name for provider in loaded.providers] == ["claude", "local"]
	assert loaded.providers[1].allows("anything") and not loaded.providers[0].allows("anything")
	assert loaded.modes["agent"].system_prompt == "Act."
	assert loaded.modes["chat"] == settings.MODES[0]


@pytest.mark.parametrize(
	("total_s", "bench", "expected"),
	[(3600, {}, 110), (30, {}, 30), (3600, {"http_timeout": 200}, 190), (3600, {"http_timeout": 1}, 10)],
)
def test_a_chat_in_a_web_request_ends_before_the_web_server_does(
	total_s: int, bench: dict[str, int], expected: int
) -> None:
	frappe.local.conf = {"ai_assistant": {"timeouts": {"total_s": total_s, "total_background_s": 9}}, **bench}
	try:
		loaded = settings.load()
	finally:
		del frappe.local.conf
	assert (loaded.timeouts.total_s, loaded.timeouts.total_background_s) == (expected, 9)


def test_a_key_is_in_no_repr() -> None:
	assert "secret-key" not in repr(load({"providers": [{**PROVIDER, "api_key": "secret-key"}]}))


def test_what_the_forms_say_counts_where_the_file_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
	from_forms = {
		"providers": [PROVIDER],
		"limits": {"max_tokens": 7, "max_messages": 8},
		"realtime": {"enabled": False},
		"retention": {"keep_content": False},
	}
	monkeypatch.setattr(forms, "read", lambda: from_forms)
	monkeypatch.setattr(forms, "version", lambda: ("with forms",))
	assert (load(None).providers[0].name, load({}).limits.max_tokens) == ("p", 7)
	loaded = load({"limits": {"max_tokens": 9}, "providers": []})
	# A section wins whole: what it leaves out is as the app ships it.
	assert (loaded.limits.max_tokens, loaded.limits.max_messages) == (9, 10_000)
	assert loaded.providers == ()
	assert (loaded.realtime.enabled, loaded.retention.keep_content) == (False, False)


@pytest.mark.parametrize(
	("conf", "where"),
	[
		([], "ai_assistant"),
		("text", "ai_assistant"),
		({"providers": {}}, "providers"),
		({"providers": "x"}, "providers"),
		({"providers": ["x"]}, "providers[0]"),
		({"providers": [{**PROVIDER, "api_bse": "x"}]}, "providers[0].api_bse"),
		({"providers": [{"name": "p", "api": "openai", "default_model": "m"}]}, "providers[0].api_key"),
		({"providers": [{**PROVIDER, "api_key": None}]}, "providers[0].api_key"),
		({"providers": [{**PROVIDER, "api_key": ""}]}, "providers[0].api_key"),
		({"providers": [{**PROVIDER, "name": ""}]}, "providers[0].name"),
		({"default_provider": ["p"]}, "default_provider"),
		({"retention": {"keep_content": 0}}, "retention.keep_content"),
		({"providers": [{**PROVIDER, "api_base": "ftp://x"}]}, "providers[0].api_base"),
		({"providers": [{**PROVIDER, "api_base": 5}]}, "providers[0].api_base"),
		({"providers": [{**PROVIDER, "api_base": "http://x/v1?version=1"}]}, "providers[0].api_base"),
		({"providers": [{**PROVIDER, "api_base": "http://x/v1#top"}]}, "providers[0].api_base"),
		({"providers": [{**PROVIDER, "api_base": "http://me:secret@x/v1"}]}, "providers[0].api_base"),
		({"providers": [{**PROVIDER, "api_base": "http://x:99999/v1"}]}, "providers[0].api_base"),
		({"providers": [{**PROVIDER, "api_base": "http://x/v 1"}]}, "providers[0].api_base"),
		({"providers": [{**PROVIDER, "api_key": "sk-\nx"}]}, "providers[0].api_key"),
		({"providers": [{**PROVIDER, "api_key": "\ufeffsk-x"}]}, "providers[0].api_key"),
		({"providers": [{**PROVIDER, "extra": {"n": 2}}]}, "providers[0].extra.n"),
		({"providers": [{**PROVIDER, "extra": {"extra_body": {"n": 2}}}]}, "providers[0].extra.n"),
		({"providers": [{**PROVIDER, "models": "m"}]}, "providers[0].models"),
		({"providers": [{**PROVIDER, "models": ["other"]}]}, "providers[0].default_model"),
		({"providers": [{**PROVIDER, "priority": "first"}]}, "providers[0].priority"),
		({"providers": [{**PROVIDER, "extra": []}]}, "providers[0].extra"),
		({"modes": [{"system_prompt": "x"}]}, "modes[0].name"),
		({"modes": [{"name": "x", "temperature": "warm"}]}, "modes[0].temperature"),
		({"timeouts": {"total_s": "long"}}, "timeouts.total_s"),
		({"timeouts": {"total_s": -1}}, "timeouts.total_s"),
		({"realtime": {"enabled": "yes"}}, "realtime.enabled"),
		({"limits": []}, "limits"),
		({"limits": "x"}, "limits"),
		({"limits": {"max_messages": None}}, "limits.max_messages"),
		({"limits": {"max_token": 5}}, "limits.max_token"),
		({"timeouts": {"total_seconds": 5}}, "timeouts.total_seconds"),
		({"limits": {"requests_per_minute": 0}}, "limits.requests_per_minute"),
		({"budgets": {"user_token_per_day": 1}}, "budgets.user_token_per_day"),
		({"budgets": {"user_tokens_per_day": -1}}, "budgets.user_tokens_per_day"),
		({"budgets": {"site_cost_per_month": "5"}}, "budgets.site_cost_per_month"),
		({"budgets": {"site_cost_per_month": float("nan")}}, "budgets.site_cost_per_month"),
		({"budgets": {"site_cost_per_month": True}}, "budgets.site_cost_per_month"),
		({"budgets": [1]}, "budgets"),
		(
			{"providers": [{**PROVIDER, "prices": {"m": {"input": 1e308, "output": 1}}}]},
			"providers[0].prices.m.input",
		),
		({"providers": [{**PROVIDER, "prices": [1]}]}, "providers[0].prices"),
		({"providers": [{**PROVIDER, "details": [1]}]}, "providers[0].details"),
		({"providers": [{**PROVIDER, "details": {"m": {"vision": "Yes"}}}]}, "providers[0].details.m.vision"),
		(
			{"providers": [{**PROVIDER, "details": {"m": {"context_window": -1}}}]},
			"providers[0].details.m.context_window",
		),
		(
			{"providers": [{**PROVIDER, "details": {"m": {"efforts": ["hot"]}}}]},
			"providers[0].details.m.efforts[0]",
		),
		({"providers": [{**PROVIDER, "details": {"m": {"size": 1}}}]}, "providers[0].details.m.size"),
		({"providers": [{**PROVIDER, "prices": {"m": 5}}]}, "providers[0].prices.m"),
		({"providers": [{**PROVIDER, "prices": {"m": {"input": 5}}}]}, "providers[0].prices.m.output"),
		(
			{"providers": [{**PROVIDER, "prices": {"m": {"input": 5, "output": -1}}}]},
			"providers[0].prices.m.output",
		),
		(
			{"providers": [{**PROVIDER, "prices": {"m": {"input": 5, "output": 1, "cached": 1}}}]},
			"providers[0].prices.m.cached",
		),
		({"timeouts": {"idle_s": None}}, "timeouts.idle_s"),
		({"realtime": {"max_delay_ms": None}}, "realtime.max_delay_ms"),
		({"providers": [{**PROVIDER, "models": None}]}, "providers[0].models"),
		({"providers": [{**PROVIDER, "priority": None}]}, "providers[0].priority"),
		({"providers": [{**PROVIDER, "extra": None}]}, "providers[0].extra"),
		({"providers": [PROVIDER, PROVIDER]}, "providers[1].name"),
		({"providers": [{**PROVIDER, "priority": 1.5}]}, "providers[0].priority"),
		({"limits": {"requests_per_minute": 2.5}}, "limits.requests_per_minute"),
		({"timeouts": {"total_background_s": math.inf}}, "timeouts.total_background_s"),
		({"timeouts": {"idle_s": math.nan}}, "timeouts.idle_s"),
		({"modes": [{"name": "x", "temperature": 9}]}, "modes[0].temperature"),
		({"modes": [{"name": "x", "reasoning_effort": "extreme"}]}, "modes[0].reasoning_effort"),
	],
)
def test_a_wrong_configuration_is_named(conf: Any, where: str) -> None:
	aside = load(conf).set_aside
	# A provider is named by its name.
	path = where.removeprefix("providers[0].").removeprefix("providers[1].")
	assert [
		reason.startswith(f"{path.partition('[')[0] if path == 'providers[0]' else path} accepts ")
		for _name, reason in aside
	] == [True]


def test_a_provider_that_is_wrong_takes_no_other_along(caplog: pytest.LogCaptureFixture) -> None:
	wrong = [
		{**PROVIDER, "name": "keyless", "api_key": None},
		{**PROVIDER, "name": "undecided", "models": ["n"]},
		{**PROVIDER, "name": "locked", "api_key": forms.UNREADABLE},
		{**PROVIDER, "name": "misspelled", "api": "opnai"},
		{**PROVIDER, "api_base": "http://elsewhere.example"},
		"text",
	]
	with caplog.at_level("WARNING"):
		loaded = load({"providers": [PROVIDER, *wrong]})
	assert [(provider.name, provider.api_base) for provider in loaded.providers] == [("p", None)]
	assert loaded.set_aside == (
		("keyless", "api_key accepts a string that is not empty."),
		("undecided", "default_model accepts one of its models."),
		("locked", "The key of locked cannot be decrypted; enter it again."),
		("misspelled", "api accepts a provider's name in litellm, as openai, anthropic, gemini."),
		("p", "name accepts a name that no other provider has."),
		("providers[6]", "providers accepts an object."),
	)
	assert (loaded.why_not("keyless"), loaded.why_not("p"), loaded.why_not("nobody")) == (
		"api_key accepts a string that is not empty.",
		None,
		None,
	)
	assert loaded.no_chats is None
	assert sum("[Config]" in record.message for record in caplog.records) == len(wrong)


def test_what_is_wrong_leaves_the_rest_of_its_section_as_it_is() -> None:
	loaded = load(
		{
			"limits": {"max_chars": 0, "max_messages": 7},
			"timeouts": {"idle_s": "long", "total_s": 9},
			"modes": [
				{"name": "chat", "temperature": 9, "system_prompt": "Rhyme."},
				{"system_prompt": "nobody's"},
				{"name": "poet", "reasoning_effort": "extreme"},
			],
			"realtime": "off",
			"default_provider": 5,
			"providers": [PROVIDER],
		}
	)
	assert (loaded.limits.max_chars, loaded.limits.max_messages) == (None, 7)
	assert (loaded.timeouts.idle_s, loaded.timeouts.total_s) == (60, 9)
	assert (loaded.modes["chat"].temperature, loaded.modes["chat"].system_prompt) == (None, "Rhyme.")
	assert loaded.modes["poet"] == settings.Mode("poet")
	assert list(loaded.modes) == ["chat", "agent", "poet"]
	assert loaded.realtime.enabled and loaded.default == loaded.providers[0]
	assert [name for name, _reason in loaded.set_aside] == [
		"default_provider",
		"modes",
		"modes",
		"modes",
		"limits",
		"timeouts",
		"realtime",
	]
	assert loaded.no_chats is None


@pytest.mark.parametrize(
	"conf", [{"budgets": {"user_token_per_day": 1}}, {"budgets": {"a b": 1}}, {"budgets": [1]}, ["budgets"]]
)
def test_a_budget_that_is_wrong_is_not_taken_for_none(conf: Any) -> None:
	loaded = load(conf)
	assert loaded.no_chats and loaded.set_aside
	assert all(reason in loaded.no_chats for _name, reason in loaded.set_aside)


@pytest.mark.parametrize("retention", [{"keep_content": "no"}, False])
def test_where_it_is_wrong_whether_content_is_kept_none_is(retention: Any) -> None:
	assert not load({"retention": retention}).retention.keep_content


def test_a_budget_that_is_nothing_or_left_out_is_none() -> None:
	loaded = load(
		{"budgets": {"user_tokens_per_day": 0, "user_cost_per_day": None, "site_cost_per_month": 0.5}}
	)
	assert loaded.budgets == settings.Budgets(user_tokens_per_day=0, site_cost_per_month=0.5)
	assert load({"budgets": None}).budgets == load({}).budgets == settings.Budgets()


def test_what_is_not_said_of_a_shipped_mode_stays_as_it_ships() -> None:
	loaded = load({"modes": [{"name": "chat", "temperature": 0.2}]})
	assert loaded.modes["chat"].temperature == 0.2
	assert loaded.modes["chat"].system_prompt == settings.MODES[0].system_prompt


def test_the_first_to_be_asked_is_the_modes_the_sites_or_the_first_in_order() -> None:
	two = [{**PROVIDER, "priority": 1}, {**PROVIDER, "name": "q", "models": ["m", "n"], "priority": 2}]
	plain = load({"providers": two})
	assert plain.first_for(plain.modes["chat"]) == (plain.providers[0], "m")
	own = load({"providers": two, "modes": [{"name": "chat", "provider": "q", "model": "n"}]})
	assert own.first_for(own.modes["chat"]) == (own.providers[1], "n")
	assert load({}).first_for(settings.MODES[0]) == (None, None)


def test_the_form_has_the_defaults_of_the_sections() -> None:
	folder = Path(settings.__file__).parents[1] / "ai_assistant/doctype/ai_assistant_settings"
	fields = json.loads((folder / "ai_assistant_settings.json").read_text())["fields"]
	numbers = [field for field in fields if field["fieldtype"] in ("Int", "Float", "Check")]
	renamed = {"realtime_enabled": "enabled", "alert_by_email": "email"}
	# An empty number of the form is 0.
	of_form = {
		renamed.get(name := field["fieldname"], name): float(field.get("default") or 0) for field in numbers
	}
	declared = {
		name: value or 0
		for section in (Limits, Budgets, SiteTimeouts, Failover, Realtime, Retention, Alerts)
		for name, value in asdict(section()).items()
	}
	# Only site_config.json has these.
	for name in ("standard_apis", "retries", "cool_down"):
		del declared[name]
	assert of_form == declared
