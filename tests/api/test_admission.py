"""Tests admission over HTTP: who is refused, and how. ai_assistant/chat/test_admission.py tests it on MariaDB."""

import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from ai_assistant.client import Client
from tests.support import script, unique
from tests.support.provider import ScriptedProvider
from tests.support.site import Account, Site, StandaloneSite, site_config

RACERS = 50


@pytest.fixture(autouse=True)
def _nothing_before(process: StandaloneSite, site: Site) -> Iterator[None]:
	yield
	for user in (site.first, site.second):
		with site.client(user) as client:
			# Of a user without requests there is no such task.
			client.http.post(site.method("cancel"), json={"task_id": "t"})
	rows(process, "UPDATE request SET created = 0")


def rows(process: StandaloneSite, sql: str, *values: Any) -> list[Any]:
	with sqlite3.connect(process.data / "site.sqlite", timeout=10) as database:
		return database.execute(sql, values).fetchall()


class Asking:
	"""Chats over HTTP whose provider answers when the gate opens."""

	def __init__(
		self, process: StandaloneSite, site: Site, provider: ScriptedProvider, **limits: int
	) -> None:
		config = site_config(provider)
		process.configure({**config, "limits": {**config["limits"], **limits}, "timeouts": {"total_s": 60}})
		self.site, self.provider, self.gate = site, provider, unique("gate")

	def ask(self, account: Account | None = None, waits: bool = True, **fields: Any) -> httpx.Response:
		"""One that does not wait is answered where it should have been refused."""
		account = account or self.site.first
		prompt = script({"text": "So"}, {"gate": self.gate} if waits else {}, {"text": "."})
		return httpx.post(
			self.site.method("chat_completion"),
			json={"messages": [{"role": "user", "content": prompt}], "task_id": "t", **fields},
			headers={"Authorization": f"token {account.token}"},
			timeout=60,
		)

	@contextmanager
	def held(self, *accounts: Account) -> Iterator[list[Future[httpx.Response]]]:
		"""A chat of each account, all of them at the provider; there they go on when the context ends, however it does."""
		with ThreadPoolExecutor(len(accounts)) as threads:
			chats = [threads.submit(self.ask, account) for account in accounts]
			try:
				while self.provider.count(self.gate) < len(accounts):
					assert not any(chat.done() for chat in chats), [chat.result().text for chat in chats]
					time.sleep(0.02)
				yield chats
			finally:
				self.provider.open(self.gate)


def refusal(response: httpx.Response) -> tuple[int, str]:
	"""Status and code of what was refused with the time to ask again."""
	error = response.json()["message"]["error"]
	assert error["retryable"] and error["message"].endswith(".")
	assert int(response.headers["Retry-After"]) == error["retry_after"] >= 1
	return response.status_code, error["code"]


def race(asking: Asking, let_in: int) -> Counter[tuple[int, str]]:
	"""Fifty who ask at once; the gate opens when all have their answer but those who were let in."""
	with ThreadPoolExecutor(RACERS) as threads:
		futures = [threads.submit(asking.ask) for _ in range(RACERS)]
		deadline = time.monotonic() + 30
		while sum(future.done() for future in futures) < RACERS - let_in and time.monotonic() < deadline:
			time.sleep(0.02)
		asking.provider.open(asking.gate)
		responses = [future.result() for future in futures]
	return Counter((200, "") if future.status_code == 200 else refusal(future) for future in responses)


def test_of_fifty_at_once_as_many_are_let_in_as_a_user_may_have(
	process: StandaloneSite, site: Site, provider: ScriptedProvider
) -> None:
	asking = Asking(process, site, provider, concurrent_per_user=4)
	(before,) = rows(process, "SELECT COUNT(*) FROM request")
	assert race(asking, 4) == {(200, ""): 4, (503, "busy"): RACERS - 4}
	# Who is refused leaves no row.
	assert rows(process, "SELECT COUNT(*) FROM request") == [(before[0] + 4,)]
	assert asking.ask().status_code == 200


def test_of_fifty_at_once_as_many_are_let_in_as_a_user_may_ask_in_a_minute(
	process: StandaloneSite, site: Site, provider: ScriptedProvider
) -> None:
	asking = Asking(process, site, provider, requests_per_minute=7)
	assert race(asking, 7) == {(200, ""): 7, (429, "rate_limited"): RACERS - 7}
	assert asking.ask(site.second).status_code == 200
	# The background is no way round.
	late = asking.ask(background=True)
	assert refusal(late) == (429, "rate_limited")
	(oldest,) = rows(
		process, "SELECT MIN(created) FROM request WHERE user = ? AND created > 0", site.first.user
	)
	left = oldest[0] + 60 - time.time()
	assert left <= int(late.headers["Retry-After"]) <= left + 2
	rows(process, "UPDATE request SET created = created - 60 WHERE created = ?", oldest[0])
	assert asking.ask().status_code == 200
	assert refusal(asking.ask()) == (429, "rate_limited")


def test_one_whose_process_died_counts_no_more_and_others_do_not_count(
	process: StandaloneSite, site: Site, provider: ScriptedProvider
) -> None:
	asking = Asking(process, site, provider, concurrent_per_user=1)
	held = asking.ask(background=True)
	assert held.json()["message"]["status"] == "queued"
	assert refusal(asking.ask(waits=False)) == (503, "busy")
	provider.open(asking.gate)
	with site.client(site.first) as client:
		ended(client, held.json()["message"]["request_id"])
	name = unique("dead")
	columns = "name, user, request_id, task_id, status, created, lease"
	values = (name, site.first.user, name, "t", "running", 0, time.time() + 60)
	rows(process, f"INSERT INTO request ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?)", *values)
	assert refusal(asking.ask(waits=False)) == (503, "busy")
	assert asking.ask(site.second).status_code == 200
	rows(process, "UPDATE request SET lease = 1 WHERE name = ?", name)
	assert asking.ask().status_code == 200


def ended(client: Client, request_id: str) -> None:
	seq = 0
	while (page := client.get("get_events", request_id=request_id, after_seq=seq, wait=20))["status"] in (
		"queued",
		"running",
	):
		seq = page["last_seq"]


def test_what_is_queued_counts_to_its_user_and_a_cancel_makes_room(
	process: StandaloneSite, site: Site, provider: ScriptedProvider
) -> None:
	asking = Asking(process, site, provider, concurrent_per_user=2)
	held = [asking.ask(background=True).json()["message"]["request_id"] for _ in range(2)]
	assert refusal(asking.ask(background=True)) == (503, "busy")
	with site.client(site.first) as client:
		client.post("cancel", request_id=held[0])
		ended(client, held[0])
	assert asking.ask(background=True).json()["message"]["status"] == "queued"


def test_the_site_has_a_limit_of_its_own_which_the_queue_waits_for(
	process: StandaloneSite, site: Site, provider: ScriptedProvider
) -> None:
	asking = Asking(process, site, provider, concurrent_per_site=1)
	with asking.held(site.first) as (chat,):
		assert refusal(asking.ask(site.second, waits=False)) == (503, "busy")
		assert asking.ask(site.second, background=True).json()["message"]["status"] == "queued"
	assert chat.result().status_code == 200


def test_chats_and_waits_hold_their_share_of_the_web_threads_and_the_rest_goes_on(
	process: StandaloneSite, site: Site, provider: ScriptedProvider
) -> None:
	# Two threads.
	asking = Asking(process, site, provider, web_threads=200, web_percent=1)
	with asking.held(site.first, site.second) as chats:
		assert refusal(asking.ask(waits=False)) == (503, "busy")
		queued = asking.ask(background=True).json()["message"]
		assert queued["status"] == "queued"
		with site.client(site.first) as client:
			# One that waited would do so for as long as the chats do, and those until it has answered.
			client.http.timeout = 15
			page = client.get("get_events", request_id=queued["request_id"], after_seq=100, wait=25)
			assert page["events"] == [] and page["status"] in ("queued", "running")
	assert [chat.result().status_code for chat in chats] == [200, 200]
	assert asking.ask().status_code == 200


def test_tokens_are_counted_as_often_as_tool_calls_may_be_answered(
	process: StandaloneSite, site: Site, provider: ScriptedProvider
) -> None:
	limit = 3
	Asking(process, site, provider, continuations_per_minute=limit)

	def count(path: str, account: Account) -> httpx.Response:
		sent = {"messages": [{"role": "user", "content": "x"}], "max_tokens": 9}
		headers = {"Authorization": f"token {account.token}"}
		return httpx.post(f"{site.url}/api/method/{path}", json=sent, headers=headers, timeout=60)

	# A minute of the clock may end between two of these.
	answers = [count("ai_assistant.api.count_tokens", site.first) for _ in range(2 * limit + 1)]
	assert limit <= Counter(answer.status_code for answer in answers)[200] <= 2 * limit
	refused = next(answer for answer in answers if answer.status_code != 200)
	assert refusal(refused) == (429, "rate_limited")
	answers = [count("ai_assistant.v1/messages/count_tokens", site.first) for _ in range(2 * limit + 1)]
	refused = next(answer for answer in answers if answer.status_code != 200)
	assert (refused.status_code, refused.json()["error"]["type"]) == (429, "rate_limit_error")
	assert 1 <= int(refused.headers["Retry-After"]) <= 60
	assert count("ai_assistant.api.count_tokens", site.second).status_code == 200
