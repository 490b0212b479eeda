"""AI Keys: which requests they authenticate, and what is never looked up."""

import hashlib
from collections.abc import Iterator
from typing import Any

import frappe
import pytest
from werkzeug.exceptions import Unauthorized
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request

from ai_assistant import keys, store

ANN = "ann@example.com"
KEY = "aik-known"
ROW = {
	"name": "abc",
	"user": ANN,
	"key_hash": keys.digest(KEY),
	"models": ("m",),
	"requests_per_minute": 0,
	"tokens_per_day": 5,
	"tokens_per_month": 0,
	"site_tools": False,
	"cost_per_day": 0.0,
	"cost_per_month": 0.0,
	"usable": 1,
	"used_lately": 0,
}
CHAT = "/api/method/ai_assistant.api.chat_completion"


class Keys:
	"""A store with one AI Key."""

	def __init__(self) -> None:
		self.row: dict[str, Any] | None = dict(ROW)
		self.looked_up: list[str] = []
		self.used: list[str] = []

	def key_of_hash(self, key_hash: str) -> dict[str, Any] | None:
		self.looked_up.append(key_hash)
		return self.row if self.row and self.row["key_hash"] == key_hash else None

	def key_used(self, name: str) -> None:
		self.used.append(name)

	def reset_if_unreachable(self, error: Exception) -> bool:
		return False


class Database:
	def commit(self) -> None:
		pass

	def rollback(self) -> None:
		pass


@pytest.fixture
def rows(monkeypatch: pytest.MonkeyPatch) -> Iterator[Keys]:
	rows = Keys()
	monkeypatch.setattr(store, "_find", lambda: rows)
	for name, value in (
		("session", frappe._dict(user="Guest")),
		("form_dict", frappe._dict(model="m")),
		("flags", frappe._dict()),
		("db", Database()),
		("request", None),
		("site", "site"),
		("conf", {}),
	):
		monkeypatch.setattr(frappe.local, name, value, raising=False)
	monkeypatch.setattr(frappe, "set_user", set_user, raising=False)
	yield rows
	keys.use(None)


def set_user(user: str) -> None:
	frappe.local.session.user = user
	frappe.local.form_dict = frappe._dict()


def authenticate(path: str = CHAT, **headers: str) -> str:
	"""The user of the session after a request with these headers."""
	environ = EnvironBuilder(path, method="POST", headers=list(headers.items())).get_environ()
	frappe.local.request = Request(environ)
	keys.authenticate()
	return str(frappe.session.user)


def test_a_key_is_random_and_kept_as_a_hash() -> None:
	one, two = keys.generate(), keys.generate()
	assert one != two
	assert one.startswith("aik-")
	assert len(one) == 47
	assert keys.digest(one) == hashlib.sha256(one.encode()).hexdigest()


@pytest.mark.parametrize(
	"headers",
	[
		{"Authorization": f"Bearer {KEY}"},
		{"Authorization": f"bearer {KEY}"},
		{"x-api-key": KEY},
		{"Authorization": "Bearer something-else", "x-api-key": KEY},
	],
)
@pytest.mark.parametrize(
	"path",
	[
		CHAT,
		"/api/v1/method/ai_assistant.api.list_models",
		"/api/method/ai_assistant.v1/chat/completions",
		"/api/method/ai_assistant.v1",
	],
)
def test_a_key_logs_its_user_in(rows: Keys, path: str, headers: dict[str, str]) -> None:
	assert authenticate(path, **headers) == ANN
	assert keys.current() == keys.Key("abc", ANN, ("m",), tokens_per_day=5)
	assert frappe.local.form_dict == {"model": "m"}
	assert rows.used == ["abc"]


@pytest.mark.parametrize(
	"path",
	[
		"/",
		"/app",
		"/api/resource/User",
		"/api/method/frappe.client.get_list",
		"/api/method/ai_assistant.apis.x",
		"/api/method/ai_assistant.v1x",
		"/api/method/ai_assistant.v1.x",
		"/api/method/ai_assistant.api",
		"/api/method/ai_assistant.api./x",
		"/api/method/ai_assistant.ai_assistant.doctype.ai_key.ai_key.make",
		"/api/method/frappe.ping/ai_assistant.api.list_models",
		"/api/v2/method/ai_assistant.api.list_models",
		"//api/method/ai_assistant.api.list_models",
		"/x/api/method/ai_assistant.api.list_models",
	],
)
def test_no_other_path_is_for_keys(rows: Keys, path: str) -> None:
	assert authenticate(path, **{"x-api-key": KEY}) == "Guest"
	assert keys.current() is None
	assert rows.looked_up == []


def test_a_parameter_that_names_another_method_is_not_for_keys(rows: Keys) -> None:
	frappe.local.form_dict.cmd = "frappe.client.get_list"
	assert authenticate(**{"x-api-key": KEY}) == "Guest"


def test_a_session_is_kept_and_the_last_requests_key_is_forgotten(rows: Keys) -> None:
	keys.use(keys.Key("other", "bob@example.com"))
	frappe.local.session.user = "bob@example.com"
	assert authenticate(**{"x-api-key": KEY}) == "bob@example.com"
	assert keys.current() is None


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Basic aik-x"}, {"x-api-key": "sk-known"}])
def test_other_credentials_are_left_to_frappe(rows: Keys, headers: dict[str, str]) -> None:
	assert authenticate(**headers) == "Guest"
	assert rows.looked_up == []


def test_a_key_that_cannot_be_used_is_refused_in_one_sentence(rows: Keys) -> None:
	for wrong, words in (("aik-unknown", "not known"), (KEY, "revoked")):
		if rows.row and wrong == KEY:
			rows.row["usable"] = 0
		with pytest.raises(Unauthorized) as refused:
			authenticate(Authorization=f"Bearer {wrong}")
		response = refused.value.get_response()
		assert response.status_code == 401
		body = response.get_data(as_text=True)
		assert words in body
		assert wrong not in body
		assert frappe.session.user == "Guest"


def test_a_key_that_cannot_be_used_is_in_the_log_by_the_name_of_its_row(
	rows: Keys, caplog: pytest.LogCaptureFixture
) -> None:
	assert rows.row
	rows.row["usable"] = 0
	for key in ("aik-unknown", KEY):
		with pytest.raises(Unauthorized):
			authenticate(**{"x-api-key": key})
	refused = "[API] chat_completion refused code=unauthenticated user=Guest"
	assert [record.getMessage() for record in caplog.records] == [refused, f"{refused} key=abc"]


def test_a_store_that_answers_with_another_key_is_not_believed(
	rows: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
	monkeypatch.setattr(rows, "key_of_hash", lambda _hash: {**ROW, "key_hash": keys.digest("aik-other")})
	with pytest.raises(Unauthorized):
		authenticate(**{"x-api-key": KEY})


def test_a_site_in_maintenance_is_not_written_to(rows: Keys) -> None:
	frappe.local.flags.read_only = True
	assert authenticate(**{"x-api-key": KEY}) == ANN
	assert rows.used == []


@pytest.mark.parametrize(("used_lately", "stored"), [(0, ["abc"]), (1, [])])
def test_a_use_is_stored_unless_one_was_stored_lately(
	rows: Keys, used_lately: int, stored: list[str]
) -> None:
	rows.row = {**ROW, "used_lately": used_lately}
	assert authenticate(**{"x-api-key": KEY}) == ANN
	assert rows.used == stored
