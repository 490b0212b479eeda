"""Thinking that continues though the client drops what the provider signed."""

from typing import Any

import pytest

from tests.support import script, unique
from tests.support.provider import ScriptedProvider
from tests.support.site import Account, Site, StandaloneSite, site_config
from tests.support.v1 import ask

from .test_admission import rows

CLOCK = {"type": "function", "function": {"name": "clock"}}
MODEL = "claude/claude-sonnet-4-5"


@pytest.fixture(params=[True, False], ids=["kept", "not kept"])
def keeps(
	request: pytest.FixtureRequest, process: StandaloneSite, site: Site, provider: ScriptedProvider
) -> bool:
	"""A site that keeps what is said, and one that does not."""
	process.configure({**site_config(provider), "retention": {"keep_content": request.param}})
	keeps_content: bool = request.param
	return keeps_content


class Agent:
	"""A client that sends back the calls and their answers, and nothing else of what it got."""

	def __init__(self, site: Site, account: Account | None = None) -> None:
		self._site, self._account = site, account
		self.messages: list[dict[str, Any]] = []

	def turn(self, *steps: dict[str, Any]) -> dict[str, Any]:
		"""Asks with these steps as the script, keeps the message of the model, and answers its calls."""
		messages = [{"role": "user", "content": script(*steps)}, *self.messages]
		body = {"model": MODEL, "messages": messages, "tools": [CLOCK], "reasoning_effort": "low"}
		response = ask(self._site, "/chat/completions", body, account=self._account)
		assert response.status_code == 200, response.text
		# Where this one refuses, another provider would answer.
		assert response.json()["model"] == "claude-sonnet-4-5"
		message: dict[str, Any] = response.json()["choices"][0]["message"]
		calls = message.get("tool_calls", [])
		self.messages.append({"role": "assistant", "content": message["content"], "tool_calls": calls})
		self.messages += [{"role": "tool", "tool_call_id": call["id"], "content": "noon"} for call in calls]
		return message


def thoughts(words: str) -> list[dict[str, Any]]:
	ids = [unique("call"), unique("call")]
	calls = [{"call": n, "id": id, "name": "clock", "arguments": "{}"} for n, id in enumerate(ids)]
	return [{"reasoning": words}, {"sealed": "c2VhbGVk"}, *calls]


def test_the_site_finds_its_own_continuation_by_the_calls(site: Site, keeps: bool) -> None:
	agent = Agent(site)
	for words in ("What time?", "And there?"):
		text = thoughts(words)
		agent.turn(*text)
		# The provider refuses a request whose last turn of the model is not what it said, signature included.
		assert agent.turn({"wants": text}, {"text": "Noon."})["content"] == "Noon."
		del agent.messages[-1]


def test_another_users_continuation_is_not_found(site: Site, keeps: bool, provider: ScriptedProvider) -> None:
	marker, text = unique("marker"), thoughts("Whose?")
	first, second = Agent(site), Agent(site, site.second)
	first.turn(*text)
	second.messages = first.messages
	second.turn({"text": "Noon."}, {"note": marker})
	assert "c2VhbGVk" not in provider.wait_for(marker).text.replace(script(*text), "")


def test_a_site_that_keeps_nothing_has_none_in_its_rows(
	site: Site, keeps: bool, process: StandaloneSite
) -> None:
	text = thoughts("Hm.")
	message = Agent(site).turn(*text)
	assert message["tool_calls"]
	((continuation, key),) = rows(
		process, "SELECT continuation, call_key FROM request ORDER BY created DESC LIMIT 1"
	)
	assert (continuation is not None, key is not None) == (keeps, keeps)
