"""Budgets over HTTP, on SQLite; ai_assistant/chat/test_budgets.py asks the same of MariaDB."""

import base64
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from typing import Any

import httpx
import pytest

from ai_assistant.standalone import jobs
from tests.support import script, unique
from tests.support.provider import ScriptedProvider
from tests.support.site import CANARY_KEY, Account, Site, StandaloneSite, site_config

from .test_admission import ended, rows

# The account of all users.
SITE = ""
PRICES = {"scripted": {"input": 1_000_000, "output": 2_000_000}}


@pytest.fixture(autouse=True)
def _nothing_booked(process: StandaloneSite, site: Site) -> Iterator[None]:
	rows(process, "DELETE FROM usage")
	yield


class Spending:
	"""A site with budgets, whose first provider costs a dollar a token of the prompt and two a token of the answer."""

	def __init__(
		self, process: StandaloneSite, site: Site, provider: ScriptedProvider, **budgets: float
	) -> None:
		config = site_config(provider)
		config["providers"][0]["prices"] = PRICES
		limits = {**config["limits"], "max_answer_chars": 2000}
		process.configure({**config, "limits": limits, "budgets": budgets, "timeouts": {"total_s": 60}})
		self.process, self.site = process, site

	def ask(self, *steps: dict[str, Any], account: Account | None = None, **fields: Any) -> httpx.Response:
		prompt = script(*(steps or ({"text": "Yes."},)))
		return httpx.post(
			self.site.method("chat_completion"),
			json={"messages": [{"role": "user", "content": prompt}], "task_id": "t", **fields},
			headers={"Authorization": f"token {(account or self.site.first).token}"},
			timeout=60,
		)

	def booked(self, account: str | None = None) -> list[Any]:
		account = self.site.first.user if account is None else account
		return rows(self.process, "SELECT requests, tokens, cost_usd FROM usage WHERE account = ?", account)

	def book(self, account: str, day: date, tokens: int, cost_usd: float) -> None:
		values = (account, day.isoformat(), 1, tokens, cost_usd)
		rows(
			self.process,
			"INSERT INTO usage (account, day, requests, tokens, cost_usd) VALUES (?, ?, ?, ?, ?)",
			*values,
		)


def refusal(response: httpx.Response) -> str:
	"""The sentence of a budget that is used up, with the time to ask again."""
	error = response.json()["message"]["error"]
	assert (response.status_code, error["code"], error["retryable"]) == (429, "budget_exceeded", False)
	assert int(response.headers["Retry-After"]) == error["retry_after"] >= 1
	assert CANARY_KEY not in response.text
	sentence: str = error["message"]
	return sentence


@pytest.mark.parametrize("unit", ["tokens", "cost"])
@pytest.mark.parametrize("period", ["day", "month"])
@pytest.mark.parametrize("whose", ["user", "site"])
def test_each_budget_ends_what_it_is_for(
	process: StandaloneSite, site: Site, provider: ScriptedProvider, whose: str, period: str, unit: str
) -> None:
	spending = Spending(process, site, provider, **{f"{whose}_{unit}_per_{period}": 100})
	today, first = date.today(), date.today().replace(day=1)
	before = today - timedelta(days=1) if period == "day" else first - timedelta(days=1)
	account = site.first.user if whose == "user" else SITE
	spending.book(account, before, 1000, 1000.0)
	spending.book(account, today, 99, 99.0)
	assert spending.ask().status_code == 200
	sentence = refusal(spending.ask())
	assert f"budget of 100 {'tokens' if unit == 'tokens' else 'USD'} a {period}" in sentence
	assert sentence.startswith("Your budget" if whose == "user" else "The site's budget")
	assert spending.ask(account=site.second).status_code == (200 if whose == "user" else 429)


def test_what_was_answered_is_what_is_booked_on_the_users_account_and_on_the_sites(
	process: StandaloneSite, site: Site, provider: ScriptedProvider
) -> None:
	spending = Spending(process, site, provider)
	usages = [
		spending.ask(account=account).json()["message"]["usage"] for account in (site.first, site.second) * 2
	]
	tokens, cost = (sum(usage[name] for usage in usages) for name in ("total_tokens", "cost_usd"))
	assert cost > 0
	assert spending.booked(SITE) == [(4, tokens, pytest.approx(cost))]
	assert spending.booked() == [(2, tokens // 2, pytest.approx(cost / 2))]


def test_without_events_it_is_booked_all_the_same(
	process: StandaloneSite, site: Site, provider: ScriptedProvider
) -> None:
	spending = Spending(process, site, provider)
	process.configure({**site_config(provider), "realtime": {"enabled": False}})
	usage = spending.ask().json()["message"]["usage"]
	assert spending.booked() == [(1, usage["total_tokens"], 0)]


@pytest.mark.parametrize(
	("steps", "status"),
	[
		pytest.param(
			[{"text": "So"}, {"finish": "stop", "usage": {"prompt": 0, "completion": 0, "reasoning": 0}}],
			"completed",
			id="whose provider counts nothing",
		),
		pytest.param([{"repeat": 500, "text": "So it is. "}], "completed", id="that is cut for its length"),
		pytest.param([{"text": "So"}, {"cut": True}], "failed", id="that breaks off"),
		pytest.param([{"text": "So"}, {"error": "x"}], "failed", id="that fails"),
	],
)
def test_an_answer_without_a_count_is_booked_by_an_estimate(
	process: StandaloneSite,
	site: Site,
	provider: ScriptedProvider,
	steps: list[dict[str, Any]],
	status: str,
) -> None:
	spending = Spending(process, site, provider)
	answer = spending.ask(*steps).json()["message"]
	usage = answer["usage"]
	assert (answer["status"], usage["estimated"]) == (status, True)
	assert usage["completion_tokens"] == -(-len(answer["response"]) // 4) > 0
	assert usage["prompt_tokens"] > 0
	assert usage["cost_usd"] == usage["prompt_tokens"] + 2 * usage["completion_tokens"]
	assert spending.booked() == spending.booked(SITE) == [(1, usage["total_tokens"], usage["cost_usd"])]


def test_tools_and_calls_are_in_an_estimate_and_an_image_as_what_it_is_not_as_what_its_data_weigh(
	process: StandaloneSite, site: Site, provider: ScriptedProvider
) -> None:
	spending = Spending(process, site, provider)
	uncounted = {"finish": "stop", "usage": {"prompt": 0, "completion": 0, "reasoning": 0}}

	def estimated(*images: str, **fields: Any) -> dict[str, Any]:
		parts: list[Any] = [{"type": "image_url", "image_url": {"url": url}} for url in images]
		# The last text is the script.
		parts.append({"type": "text", "text": script({"text": "So"}, uncounted)})
		usage = spending.ask(messages=[{"role": "user", "content": parts}], **fields).json()["message"][
			"usage"
		]
		assert usage["estimated"] is True
		return dict(usage)

	plain = estimated()["prompt_tokens"]
	png = "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(400_000)).decode()
	assert estimated(png, png)["prompt_tokens"] == plain + 2000
	tool = {"type": "function", "function": {"name": "look", "description": "x" * 4000}}
	assert 1000 <= estimated(tools=[tool], mode="agent")["prompt_tokens"] - plain < 1100


def test_a_failure_before_the_first_chunk_is_not_booked(
	process: StandaloneSite, site: Site, provider: ScriptedProvider
) -> None:
	spending = Spending(process, site, provider)
	assert spending.ask({"status": 401}).status_code == 502
	assert spending.booked() == []
	# The provider that answers instead is booked. The task stays with it, so it is not that of the other tests.
	steps = ({"status": 500, "for": "scripted"}, {"text": "So"})
	answer = spending.ask(*steps, task_id=unique("task")).json()["message"]
	assert [attempt["provider"] for attempt in answer["attempts"]] == ["scripted"]
	assert spending.booked() == [(1, answer["usage"]["total_tokens"], answer["usage"]["cost_usd"])]


def test_of_fifty_at_once_no_more_overdraw_a_budget_than_may_chat_at_once(
	process: StandaloneSite, site: Site, provider: ScriptedProvider
) -> None:
	spending = Spending(process, site, provider, user_tokens_per_day=1)
	config = site_config(provider)
	process.configure(
		{
			**config,
			"limits": {**config["limits"], "concurrent_per_user": 4},
			"budgets": {"user_tokens_per_day": 1},
			"timeouts": {"total_s": 60},
		}
	)
	gate = unique("gate")
	with ThreadPoolExecutor(50) as threads:
		futures = [threads.submit(spending.ask, {"text": "So"}, {"gate": gate}) for _ in range(50)]
		deadline = time.monotonic() + 30
		while sum(future.done() for future in futures) < 46 and time.monotonic() < deadline:
			time.sleep(0.02)
		provider.open(gate)
		responses = [future.result() for future in futures]
	assert Counter(future.status_code for future in responses) == {200: 4, 503: 46}
	used = sum(
		future.json()["message"]["usage"]["total_tokens"] for future in responses if future.status_code == 200
	)
	assert spending.booked() == [(4, used, 0)]
	refusal(spending.ask())


def test_one_that_was_queued_before_the_budget_was_used_up_is_not_asked_after(
	process: StandaloneSite, site: Site, provider: ScriptedProvider
) -> None:
	spending = Spending(process, site, provider, user_tokens_per_month=1000)
	gate, marker = unique("gate"), unique("marker")
	held = [
		spending.ask({"gate": gate}, {"text": "So"}, account=site.second, background=True)
		for _ in range(jobs.AT_ONCE)
	]
	waiting = spending.ask({"text": marker}, background=True).json()["message"]
	assert waiting["status"] == "queued"
	spending.book(site.first.user, date.today(), 1000, 0.0)
	provider.open(gate)
	with site.client(site.first) as client:
		ended(client, waiting["request_id"])
		answer = client.get("get_request", request_id=waiting["request_id"])
		(*_, completion) = client.get("get_events", request_id=waiting["request_id"])["events"]
	assert (answer["status"], answer["usage"], answer["provider"]) == ("failed", None, "scripted")
	assert answer["error"]["code"] == completion["error"]["code"] == "budget_exceeded"
	assert "Your budget of 1,000 tokens a month" in answer["error"]["message"]
	assert provider.count(marker) == 0
	assert spending.booked() == [(1, 1000, 0)]
	with site.client(site.second) as client:
		for stream in held:
			ended(client, stream.json()["message"]["request_id"])


def test_one_that_is_cancelled_in_the_queue_has_used_nothing(
	process: StandaloneSite, site: Site, provider: ScriptedProvider
) -> None:
	spending = Spending(process, site, provider)
	gate = unique("gate")
	held = [
		spending.ask({"gate": gate}, {"text": "So"}, account=site.second, background=True)
		for _ in range(jobs.AT_ONCE)
	]
	waiting = spending.ask(background=True).json()["message"]["request_id"]
	with site.client(site.first) as client:
		client.post("cancel", request_id=waiting)
		assert client.get("get_request", request_id=waiting)["status"] == "cancelled"
	assert spending.booked() == []
	provider.open(gate)
	with site.client(site.second) as client:
		for stream in held:
			ended(client, stream.json()["message"]["request_id"])


def test_a_misspelled_budget_is_no_site_without_one(
	process: StandaloneSite, site: Site, provider: ScriptedProvider
) -> None:
	spending = Spending(process, site, provider, user_token_per_day=1)
	response = spending.ask()
	assert (response.status_code, response.json()["message"]["error"]["code"]) == (503, "not_configured")
	assert "budgets.user_token_per_day" in response.json()["message"]["error"]["message"]
