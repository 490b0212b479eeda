"""One chat in a process of its own, which shares the health of its providers in Redis with other processes.

Run as `python -m tests.chat.one_chat`, with the keyword arguments of `main` as JSON on stdin.
"""

import json
import sys
from typing import Any

from ai_assistant.standalone import stand_in

stand_in.install()

from ai_assistant.chat.provider_health import SharedState
from ai_assistant.gateway import Completion, Gateway, Provider, Timeouts
from ai_assistant.gateway.health import Health

# Longer than a test waits for a request.
PATIENT = Timeouts(first_token_s=60, idle_s=60, total_s=60)


def main(redis_url: str, providers: list[dict[str, Any]], messages: list[dict[str, Any]]) -> str:
	"""Returns the name of the provider that answers."""
	health = Health(SharedState(redis_url, "site|"))
	gateway = Gateway([Provider(**fields) for fields in providers], PATIENT, health=health, retries=0)
	*_others, completion = gateway.stream_generate(messages)
	assert isinstance(completion, Completion)
	return completion.provider


if __name__ == "__main__":
	print(main(**json.load(sys.stdin)))
