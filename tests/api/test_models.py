"""Tests which provider the names of models belong to."""

from ai_assistant.api import models
from ai_assistant.config.settings import ConfiguredProvider, Settings


def test_a_model_that_is_not_listed_belongs_to_the_provider_that_is_asked_first() -> None:
	providers = [
		ConfiguredProvider(name, "openai", "k", "small", models=("small", "*"), priority=priority)
		for name, priority in (("last", 2), ("second", 1), ("first", 1))
	]
	_name, provider, model = models.find("large", Settings(providers=tuple(providers)))
	assert (provider.name, model) == ("first", "large")
