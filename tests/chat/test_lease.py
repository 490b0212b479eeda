"""Tests the lease of a running request: how it is renewed, what it brings, and what its loss means."""

import pytest

from ai_assistant import store
from ai_assistant.chat import lifecycle
from tests.chat.conftest import ChatSite

from .runs import begin, elsewhere

# The lease


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
	now = [1000.0]
	monkeypatch.setattr(lifecycle.time, "monotonic", lambda: now[0])
	return now


def test_the_lease_is_renewed_once_a_second(
	chat_site: ChatSite, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
	chat = begin(chat_site, "hello")
	renewed: list[float] = []
	renew = chat_site.store.renew

	def noted(name: str, lease: float) -> bool:
		renewed.append(lease)
		return renew(name, lease)

	monkeypatch.setattr(chat_site.store, "renew", noted)
	for _quarter in range(9):
		chat.renew_lease()
		clock[0] += 0.25
	assert len(renewed) == 2
	assert chat_site.row(chat.request.request_id)["lease"] == renewed[-1]
	assert not chat.cancel.requested


def test_the_caller_waits_no_longer_than_the_lease_may(chat_site: ChatSite, clock: list[float]) -> None:
	chat = begin(chat_site, "hello")
	assert chat.wait_s() == lifecycle.RENEW_S
	clock[0] += 0.75
	assert chat.wait_s() == 0.25
	clock[0] += 9
	assert chat.wait_s() == 0


def test_a_cancel_of_another_process_arrives_with_the_lease(chat_site: ChatSite, clock: list[float]) -> None:
	chat = begin(chat_site, "hello")
	elsewhere(chat_site, lambda: chat_site.store.ask_to_cancel(chat.publisher.name))
	clock[0] += lifecycle.RENEW_S
	chat.renew_lease()
	assert chat.cancel.requested


def test_a_store_that_is_unavailable_does_not_end_the_chat(
	chat_site: ChatSite, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
	chat = begin(chat_site, "hello")

	def locked(_name: str, _lease: float) -> bool:
		raise ConnectionError

	monkeypatch.setattr(chat_site.store, "renew", locked)
	monkeypatch.setattr(chat_site.store, "reset_if_unreachable", lambda error: True)
	clock[0] += lifecycle.RENEW_S
	chat.renew_lease()
	monkeypatch.undo()


def test_a_lease_that_is_lost_is_an_error(chat_site: ChatSite, clock: list[float]) -> None:
	chat = begin(chat_site, "hello")
	elsewhere(chat_site, lambda: chat_site.store.finish(chat.publisher.name, {"status": "cancelled"}))
	clock[0] += lifecycle.RENEW_S
	with pytest.raises(store.LeaseLost):
		chat.renew_lease()
