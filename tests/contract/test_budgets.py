"""The cost of a chat at the site's own prices, and the error when a user's budget is used up."""

from typing import Any

import pytest

from ai_assistant.client import Client
from tests.support import script, unique
from tests.support.provider import ScriptedProvider
from tests.support.site import BUDGET_USD, DEAR, Site
from tests.support.v1 import ask

# Through an adapter of our own, and through litellm.
MODELS = [("scripted", "scripted-2"), ("claude", "claude-sonnet-4-5-2")]


@pytest.mark.parametrize(("name", "model"), MODELS)
def test_a_price_of_the_sites_own_is_what_an_answer_costs(client: Client, name: str, model: str) -> None:
	usage = {"prompt": 11, "completion": 5, "reasoning": 0}
	prompt = script({"text": "Yes."}, {"finish": "stop", "usage": usage})
	answer = client.chat(prompt, provider=name, model=model).wait()
	counted = answer["usage"]
	assert (counted["prompt_tokens"], counted["completion_tokens"]) == (11, 5)
	assert counted["cost_usd"] == pytest.approx((11 * DEAR + 5 * 2 * DEAR) / 1_000_000)


def test_an_answer_that_is_stopped_has_an_estimate_of_what_it_used(client: Client) -> None:
	stream = client.chat(script({"reasoning": "x" * 400}, {"text": "y" * 800}, {"hang": True}))
	next(event for event in stream if event["type"] == "text")
	client.post("cancel", request_id=stream.request_id)
	usage = stream.wait()["usage"]
	assert usage["estimated"] is True
	# A token for four bytes.
	assert (usage["reasoning_tokens"], usage["completion_tokens"]) == (100, 300)
	assert usage["total_tokens"] == usage["prompt_tokens"] + 300 and usage["prompt_tokens"] > 300


def test_what_failed_before_its_first_chunk_has_used_nothing_that_is_known(client: Client) -> None:
	answer = client.chat(script({"status": 401})).wait()
	assert (answer["error"]["code"], answer["usage"]) == ("provider_auth", None)


def test_over_budget_nobody_is_asked_and_the_user_is_told_until_when(
	site: Site, provider: ScriptedProvider
) -> None:
	marker = unique("marker")
	usage = {"prompt": BUDGET_USD * 1_000_000 // DEAR, "completion": 0, "reasoning": 0}
	question: dict[str, Any] = {
		"messages": [
			{"role": "user", "content": script({"text": marker}, {"finish": "stop", "usage": usage})}
		],
		"provider": "scripted",
		"model": "scripted-2",
		"request_id": unique("request")[:60],
	}
	with site.client(site.spender) as client:
		answer = client.post("chat_completion", **question)
		assert answer["usage"]["cost_usd"] >= BUDGET_USD
		for background in (False, True):
			again = {**question, "request_id": unique("request")[:60], "background": background}
			response = client.http.post(site.method("chat_completion"), json=again)
			assert response.status_code == 429
			error = response.json()["message"]["error"]
			assert (error["code"], error["retryable"]) == ("budget_exceeded", False)
			assert error["message"].startswith("Your budget of 1,000 USD a day is used up until 2")
			assert error["message"].endswith(".") and "\n" not in error["message"]
			assert 0 < int(response.headers["Retry-After"]) == error["retry_after"] <= 25 * 3600
			# Nothing was accepted.
			stored = client.http.get(site.method("get_request"), params={"request_id": again["request_id"]})
			assert stored.status_code == 404
		assert provider.count(marker) == 1
		# What is answered already costs nothing more.
		assert client.post("chat_completion", **question) == answer
	with site.client(site.second) as other:
		assert other.chat("hello").wait()["status"] == "completed"


def test_a_used_up_budget_is_402_on_the_standard_apis(site: Site) -> None:
	"""It is in this file because the budget of the same user is used up only once."""
	usage = {"prompt": BUDGET_USD * 1_000_000 // DEAR, "completion": 0, "reasoning": 0}
	prompt = script({"text": "Yes."}, {"finish": "stop", "usage": usage})
	dear = {"model": "scripted-2", "messages": [{"role": "user", "content": prompt}]}
	ask(site, "/chat/completions", dear, account=site.spender)
	refused = ask(site, "/chat/completions", dear, account=site.spender)
	assert refused.status_code == 402
	error = refused.json()["error"]
	assert error["code"] == "insufficient_quota" and "budget" in error["message"]
	assert refused.headers["x-should-retry"] == "false" and "retry-after" not in refused.headers
