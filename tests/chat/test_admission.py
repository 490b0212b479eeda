"""Admission of a request that came with an AI Key."""

from collections.abc import Iterator

import pytest

from ai_assistant import keys, store
from ai_assistant.chat import admission
from ai_assistant.chat.errors import ChatError
from ai_assistant.config.settings import Settings

NOW = 1000.0


class Requests:
	"""A store with the times at which requests came."""

	newest_first = (NOW - 20, NOW - 50, NOW - 61)

	def admission_load(
		self, user: str, window_s: float, nth: int, is_continuation: bool = False
	) -> store.Load:
		return store.Load(NOW, 0, 0, None)

	def nth_newest_of_key(self, ai_key: str, since: float, nth: int) -> float | None:
		recent = [created for created in self.newest_first if ai_key == "abc" and created > since]
		return recent[nth - 1] if nth <= len(recent) else None


@pytest.fixture(autouse=True)
def _requests(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
	requests = Requests()
	monkeypatch.setattr(store, "_find", lambda: requests)
	yield
	keys.use(None)


def test_a_key_has_requests_a_minute_of_its_own() -> None:
	keys.use(keys.Key("abc", "ann@example.com", requests_per_minute=3))
	admission.check("ann@example.com", "running", Settings())
	keys.use(keys.Key("abc", "ann@example.com", requests_per_minute=2))
	with pytest.raises(
		ChatError, match="This AI Key may ask 2 times a minute; ask again in 10 seconds"
	) as refused:
		admission.check("ann@example.com", "running", Settings())
	assert (refused.value.code, refused.value.retry_after) == ("rate_limited", 10)


def test_a_key_without_that_limit_has_none() -> None:
	keys.use(keys.Key("abc", "ann@example.com"))
	admission.check("ann@example.com", "running", Settings())
