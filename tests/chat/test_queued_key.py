"""The AI Key of a queued request, when a worker takes the request."""

import pytest

from ai_assistant import keys
from ai_assistant.chat import queue
from ai_assistant.chat.errors import ChatError

KEY = keys.Key("abc", "ann@example.com", tokens_per_day=5)


def test_a_queued_request_runs_under_the_limits_of_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
	monkeypatch.setattr(keys, "named", {"abc": KEY}.get)
	assert queue._key_of({"ai_key": "abc"}) == KEY
	assert queue._key_of({"ai_key": None}) is None


def test_a_queued_request_whose_key_was_revoked_does_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
	monkeypatch.setattr(keys, "named", lambda _name: None)
	with pytest.raises(ChatError, match="was revoked or has expired") as refused:
		queue._key_of({"ai_key": "abc"})
	assert refused.value.code == "not_permitted"
