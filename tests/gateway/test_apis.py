"""The names of APIs that may be configured."""

import importlib

import pytest

from ai_assistant.gateway import apis, models
from ai_assistant.gateway.adapters import chat_apis
from ai_assistant.gateway.adapters.litellm import client


def test_they_are_our_own_and_litellms_without_importing_it() -> None:
	litellm = client.load()
	theirs = {str(getattr(member, "value", member)) for member in litellm.provider_list}
	theirs |= set(
		importlib.import_module("litellm.llms.openai_like.json_loader").JSONProviderRegistry.list_providers()
	)
	assert theirs | {"openai_responses", *chat_apis.APIS} == {
		name for name in apis() if not name.startswith("litellm/")
	}
	assert {f"litellm/{name}" for name in theirs} == {name for name in apis() if name.startswith("litellm/")}


def test_where_litellm_keeps_its_names_elsewhere_any_may_be_configured(
	monkeypatch: pytest.MonkeyPatch,
) -> None:
	models.apis.cache_clear()
	monkeypatch.setattr(models, "find_spec", lambda _name: None)
	try:
		assert apis() == ()
	finally:
		models.apis.cache_clear()
