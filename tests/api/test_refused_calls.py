"""Tests that each refused call is a line of the log and counts in the metrics."""

from typing import Any

import frappe
import pytest

from ai_assistant import store
from ai_assistant.chat import capacity, errors, refusals
from ai_assistant.operations import health
from tests.security.conftest import InProcess, in_process
from tests.support import script
from tests.support.site import USERS
from tests.support.v1 import PATH

from .conftest import provider
from .openai.test_response_sockets import Socket, handshake

__all__ = ["in_process", "provider"]

USER, _second, GUEST_USER, _spender = USERS
API = "/api/method/ai_assistant.api."
ASK = {"messages": [{"role": "user", "content": "Hi."}]}
CHAT = {"path": f"{API}chat_completion", "method": "POST", "json": ASK}
KEY = "aik-never-in-the-log"
JSON = {"Content-Type": "application/json"}


class Refusals:
	"""The refusals that a site has recorded since this was made."""

	def __init__(self, site: InProcess) -> None:
		self._log = site.folder / "ai_assistant.log"
		self._lines_before = len(self._all_lines())
		self._counts_before = self._all_counts()

	def lines(self) -> list[str]:
		return self._all_lines()[self._lines_before :]

	def counted(self) -> dict[str, int]:
		grown = {code: count - self._counts_before[code] for code, count in self._all_counts().items()}
		return {code: count for code, count in grown.items() if count}

	def _all_lines(self) -> list[str]:
		lines = self._log.read_text().splitlines() if self._log.exists() else []
		return [line.partition("] ")[2] for line in lines if "[API]" in line]

	def _all_counts(self) -> dict[str, int]:
		# A request leaves nothing there, and needs nothing there.
		frappe.local.site, frappe.local.conf = "site", {}
		counts = refusals.counts(errors.STANDARD_STATUS)
		del frappe.local.site, frappe.local.conf
		assert counts is not None
		return counts


@pytest.fixture
def recorded(in_process: InProcess) -> Refusals:
	return Refusals(in_process)


def token(user: str) -> dict[str, str]:
	return {"Authorization": f"token {user}:secret"}


@pytest.mark.parametrize(
	("request_", "status", "line"),
	[
		# The app's own.
		({**CHAT, "json": {}, "headers": token(USER)}, 417, "chat_completion refused code=invalid_request"),
		({**CHAT, "headers": token(GUEST_USER)}, 403, "chat_completion refused code=not_permitted"),
		({"path": f"{PATH}/models"}, 401, "v1 refused code=unauthenticated user=Guest"),
		# An AI Key.
		(
			{**CHAT, "headers": {"Authorization": f"Bearer {KEY}"}},
			401,
			"chat_completion refused code=unauthenticated user=Guest",
		),
		(
			{"path": f"{PATH}/models", "headers": {"x-api-key": KEY}},
			401,
			"v1 refused code=unauthenticated user=Guest",
		),
		(
			{"path": f"{API}{KEY}", "headers": {"x-api-key": KEY}},
			401,
			"api refused code=unauthenticated user=Guest",
		),
		# Frappe's, before it calls a method.
		(CHAT, 403, "chat_completion refused code=not_permitted user=Guest"),
		(
			{**CHAT, "headers": {"Authorization": "token a:b"}},
			401,
			"chat_completion refused code=unauthenticated user=Guest",
		),
		(
			{"path": f"{PATH}/models", "headers": {"Authorization": "token a:b"}},
			401,
			"v1 refused code=unauthenticated user=Guest",
		),
		(
			{"path": f"{PATH}/responses", "method": "POST", "data": "{", "content_type": "application/json"},
			400,
			"v1 refused code=invalid_request user=Guest",
		),
		(
			{"path": f"{API}chat_completion", "headers": token(USER)},
			403,
			"chat_completion refused code=not_permitted",
		),
		({"path": f"{API}none", "headers": token(USER)}, 417, "none refused code=invalid_request"),
		({"path": f"{API}{'x' * 41}", "headers": token(USER)}, 417, "api refused code=invalid_request"),
		# A request without a body whose content type is JSON.
		(
			{"path": f"{PATH}/models", "headers": {**JSON, "Authorization": "token a:b"}},
			401,
			"v1 refused code=unauthenticated user=Guest",
		),
		(
			{"path": f"{API}get_request", "headers": JSON},
			403,
			"get_request refused code=not_permitted user=Guest",
		),
		# A body that Frappe reads and that is not JSON.
		(
			{"path": f"{API}chat_completion", "method": "POST", "headers": JSON, "data": '{"a": NaN}'},
			403,
			"chat_completion refused code=not_permitted user=Guest",
		),
	],
)
def test_a_refusal_is_recorded_once(
	in_process: InProcess, recorded: Refusals, request_: dict[str, Any], status: int, line: str
) -> None:
	answer = in_process.client.open(**request_)
	assert answer.status_code == status
	(written,) = recorded.lines()
	assert written.startswith(f"[API] {line}")
	code = line.partition("code=")[2].split()[0]
	assert recorded.counted() == {code: 1}
	assert KEY[4:] not in written and "secret" not in written


def test_a_key_that_is_not_known_has_its_own_sentence(in_process: InProcess) -> None:
	answer = in_process.client.get(f"{PATH}/models", headers={"x-api-key": KEY})
	assert answer.json["error"]["code"] == "invalid_api_key"
	assert "not known" in answer.json["error"]["message"]


def test_a_session_without_its_csrf_token_is_recorded(in_process: InProcess, recorded: Refusals) -> None:
	login = {"usr": USER, "pwd": USERS[USER]["password"]}
	sid = in_process.client.post("/api/method/login", data=login).headers["Set-Cookie"].partition(";")[0]
	# The page makes the token.
	in_process.client.get("/ai-assistant", headers={"Cookie": sid})
	answer = in_process.client.open(**CHAT, headers={"Cookie": sid})
	assert answer.status_code == 400
	assert recorded.lines() == [f"[API] chat_completion refused code=invalid_request user={USER}"]


def test_a_socket_for_which_no_thread_is_free_is_recorded(
	in_process: InProcess, recorded: Refusals, monkeypatch: pytest.MonkeyPatch
) -> None:
	monkeypatch.setattr(capacity, "_threads", 0)
	assert handshake(in_process, Socket()).status_code == 503
	assert recorded.lines() == [f"[API] v1 refused code=busy user={USER}"]
	assert recorded.counted() == {"busy": 1}


def test_a_call_while_the_database_cannot_be_reached_is_recorded(
	in_process: InProcess, recorded: Refusals, monkeypatch: pytest.MonkeyPatch
) -> None:
	def unreachable(*_given: Any) -> None:
		raise store.StoreUnavailable

	monkeypatch.setattr(in_process.wsgi.store, "get", unreachable)
	answer = in_process.client.get(f"{API}get_request?request_id=12345678", headers=token(USER))
	assert answer.status_code == 503
	assert recorded.lines() == [f"[API] get_request refused code=busy user={USER}"]


def test_a_refusal_that_cannot_be_recorded_is_answered(
	in_process: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
	def fails() -> None:
		raise OSError("The log cannot be opened.")

	monkeypatch.setattr(refusals, "logger", fails)
	for path in (f"{PATH}/models", f"{API}get_request"):
		assert in_process.client.get(path, headers={"x-api-key": KEY}).status_code == 401


def test_what_failed_or_is_not_well_is_no_refusal(
	in_process: InProcess, recorded: Refusals, monkeypatch: pytest.MonkeyPatch
) -> None:
	asked = {"messages": [{"role": "user", "content": script({"status": 429})}], "provider": "other"}
	failed = in_process.client.open(**{**CHAT, "json": asked}, headers=token(USER))
	assert failed.status_code == 429 and failed.json["message"]["status"] == "failed"
	monkeypatch.setattr(health, "is_healthy", lambda: False)
	assert in_process.client.get(f"{API}health").status_code == 503
	assert in_process.client.get("/api/method/frappe.auth.get_logged_user").status_code == 403
	assert (recorded.lines(), recorded.counted()) == ([], {})
