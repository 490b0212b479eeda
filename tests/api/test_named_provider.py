"""A client that names a provider or a model is answered by it, also while it rests."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support import script, unique
from tests.support.provider import ScriptedProvider
from tests.support.site import Site, site_config
from tests.support.v1 import ask


@pytest.fixture(scope="module")
def config(provider: ScriptedProvider) -> dict[str, Any]:
	config = site_config(provider)
	config["failover"] = {"retries": 0, "cool_down": True}
	return config


@pytest.fixture
def resting(site: Site) -> Iterator[None]:
	"""The provider `scripted` has reached a rate limit that lasts longer than the test."""
	limit = {"status": 429, "headers": {"retry-after": "60"}, "for": "scripted"}
	answer = chat(site, limit, {"text": "Instead."})
	assert answer["choices"][0]["message"]["content"] == "Instead."
	yield


def chat(site: Site, *steps: dict[str, Any], model: str | None = None) -> dict[str, Any]:
	prompt = script(*steps, {"note": unique()})
	body = {"model": model, "messages": [{"role": "user", "content": prompt}]}
	answer = ask(site, "/chat/completions", body)
	assert answer.status_code == 200, answer.text
	return dict(answer.json())


def test_a_provider_or_a_model_that_is_named_answers_while_it_rests(site: Site, resting: None) -> None:
	answered_by = {
		name: chat(site, {"text": "Noon."}, model=name)["model"]
		for name in (None, "scripted/scripted", "scripted-2", "claude/claude-sonnet-4-5")
	}
	assert answered_by == {
		None: "claude-sonnet-4-5",
		"scripted/scripted": "scripted",
		"scripted-2": "scripted-2",
		"claude/claude-sonnet-4-5": "claude-sonnet-4-5",
	}
