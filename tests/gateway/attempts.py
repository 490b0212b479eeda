"""What the tests of the gateway's order, timeouts and cancels share."""

from typing import Any

from ai_assistant.gateway import (
	Provider,
)
from tests.support.provider import ScriptedProvider
from tests.support.wire import Step

from .asking import Heard, family

# "broken" and "slow" are models that fail where "good" answers.
BROKEN: list[Step] = [{"status": 503, "for": "broken"}, {"reasoning": "Hm."}, {"text": "Yes."}]


def named(server: ScriptedProvider, name: str, model: str = "good", **fields: Any) -> Provider:
	return family(server, "openai", name=name, default_model=model, **fields)


def attempts_of(heard: Heard) -> list[tuple[str, str, str]]:
	attempts = heard.error.attempts if heard.error else heard.completion.attempts
	return [(attempt.provider, attempt.model, attempt.error) for attempt in attempts]
