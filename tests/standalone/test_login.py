"""Logging in and out, sids, API keys and CSRF: the answers of frappe/auth.py."""

import base64
import json
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from http.cookies import SimpleCookie
from typing import Any

import httpx
import pytest

from ai_assistant.standalone import credentials, sessions
from ai_assistant.standalone.server import RunningSite

from .conftest import ANN, USERS, call, log_in

WHO = "/api/method/frappe.auth.get_logged_user"


def cookies(answer: httpx.Response) -> dict[str, Any]:
	jar: SimpleCookie = SimpleCookie()
	for header in answer.headers.get_list("set-cookie"):
		jar.load(header)
	return dict(jar)


def deleted(answer: httpx.Response) -> set[str]:
	now = datetime.now(timezone.utc)
	return {
		name
		for name, cookie in cookies(answer).items()
		if cookie["expires"] and parsedate_to_datetime(cookie["expires"]) < now and not cookie.value
	}


def test_a_login_answers_as_frappe_does_and_sets_its_cookies(http: httpx.Client) -> None:
	answer = log_in(http, "ann@example.com")

	assert answer.json() == {"message": "Logged In", "home_page": "/app", "full_name": "ann@example.com"}
	set_by_it = cookies(answer)
	assert set(set_by_it) == {"sid", "system_user", "full_name", "user_id", "user_image"}
	assert set_by_it["sid"]["httponly"] and set_by_it["sid"]["max-age"] == "864000"
	assert {cookie["samesite"] for cookie in set_by_it.values()} == {"Lax"}
	assert not set_by_it["user_id"]["httponly"]
	assert (set_by_it["user_id"].value, set_by_it["system_user"].value) == ("ann%40example.com", "yes")
	assert http.get(WHO).json() == {"message": "ann@example.com"}


def test_a_website_user_is_told_that_there_is_no_app_for_him(http: httpx.Client) -> None:
	answer = log_in(http, "web@example.com")

	assert answer.json()["message"] == "No App"
	assert cookies(answer)["system_user"].value == "no"


@pytest.mark.parametrize(
	("value", "message"),
	[
		({"usr": "ann@example.com", "pwd": "wrong"}, "Invalid login credentials"),
		({"usr": "nobody@example.com", "pwd": "ann's secret"}, "Invalid login credentials"),
		({"usr": "ann@example.com"}, "Incomplete login details"),
		({"usr": "ann@example.com", "pwd": ""}, "Incomplete login details"),
		({"pwd": "ann's secret"}, "Incomplete login details"),
		({"usr": "ANN@example.com", "pwd": "ann's secret"}, "Invalid login credentials"),
		({"usr": "ann@example.com", "pwd": "x" * 513}, "Password size exceeded the maximum allowed size"),
	],
)
def test_a_wrong_login_is_401_with_frappes_body(http: httpx.Client, value: Any, message: str) -> None:
	answer = http.post("/api/method/login", data=value)

	assert answer.status_code == 401
	body = answer.json()
	assert body["message"] == message
	assert body["exc_type"] == "AuthenticationError"
	assert body["exception"] == "frappe.exceptions.AuthenticationError"
	assert "Traceback" in json.loads(body["exc"])[0]
	assert "set-cookie" not in answer.headers


def test_a_login_can_be_sent_as_json(http: httpx.Client) -> None:
	answer = http.post("/api/method/login", json={"usr": "ann@example.com", "pwd": "ann's secret"})

	assert answer.json()["message"] == "Logged In"


def test_too_many_wrong_passwords_lock_the_user_for_a_while(
	http: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
	def attempt(password: str) -> httpx.Response:
		return http.post("/api/method/login", data={"usr": "bob@example.com", "pwd": password})

	for _ in range(credentials.MAX_FAILURES + 1):
		assert attempt("wrong").status_code == 401
	locked = attempt(USERS["bob@example.com"]["password"])
	assert (locked.status_code, locked.json()["exc_type"]) == (500, "SecurityException")

	monkeypatch.setattr(credentials, "LOCK_S", 0)
	assert attempt(USERS["bob@example.com"]["password"]).status_code == 200


def test_logging_out_ends_the_session_and_takes_the_cookies_back(ann: httpx.Client) -> None:
	sid = ann.cookies["sid"]

	answer = ann.post("/api/method/logout")

	assert (answer.status_code, answer.json()["full_name"]) == (200, "Guest")
	assert deleted(answer) == {"sid", "system_user", "full_name", "user_id", "user_image"}
	after = ann.get(WHO, headers={"Cookie": f"sid={sid}"})
	assert (after.status_code, after.json()["session_expired"]) == (403, 1)


def test_a_sid_counts_as_a_parameter_too(ann: httpx.Client) -> None:
	sid = ann.cookies["sid"]
	ann.cookies.clear()

	assert ann.get(WHO, params={"sid": sid}).json() == {"message": "ann@example.com"}


def test_an_unknown_sid_makes_a_guest_and_loses_its_cookie(http: httpx.Client) -> None:
	answer = http.get("/api/method/frappe.realtime.get_user_info", headers={"Cookie": "sid=unknown"})

	assert answer.status_code == 200
	assert answer.json() == {
		"message": {"user": "Guest", "user_type": "Website User"},
		"session_expired": 1,
	}
	assert "sid" in deleted(answer)


def test_a_session_that_was_not_used_for_ten_days_is_over(
	ann: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
	monkeypatch.setattr(sessions, "EXPIRY_S", -1)

	assert ann.get(WHO).status_code == 403


def test_a_session_in_use_is_kept_alive(
	ann: httpx.Client, site: RunningSite, monkeypatch: pytest.MonkeyPatch
) -> None:
	def seen() -> float:
		rows = site.store._database.read("SELECT seen FROM session WHERE sid = ?", [ann.cookies["sid"]])
		return float(rows[0][0])

	before = seen()
	ann.get(WHO)
	assert seen() == before
	monkeypatch.setattr(sessions, "_TOUCH_EVERY_S", -1)
	ann.get(WHO)
	assert seen() > before


@pytest.mark.parametrize(
	"header",
	[
		"token ann-key:ann-secret",
		"Token ann-key:ann-secret",
		"Basic " + base64.b64encode(b"ann-key:ann-secret").decode(),
	],
)
def test_an_api_key_names_its_user(http: httpx.Client, header: str) -> None:
	answer = http.get(WHO, headers={"Authorization": header})

	assert answer.json() == {"message": "ann@example.com"}
	# As on a bench: so a client must not share its cookies with the socket.
	assert cookies(answer)["sid"].value == "Guest"


@pytest.mark.parametrize(
	"header",
	[
		"token ann-key:wrong",
		"token unknown:ann-secret",
		"token ann-key",
		"token ann-key:ann-secret:more",
		"token :",
		"Basic " + base64.b64encode(b"ann@example.com:ann's secret").decode(),
		"Basic " + base64.b64encode(b"\xff\xfe").decode(),
		"Bearer something",
		"Negotiate something",
	],
)
def test_a_wrong_api_key_is_401(http: httpx.Client, header: str) -> None:
	answer = http.get("/api/method/ping", headers={"Authorization": header})

	assert answer.status_code == 401
	assert answer.json()["exc_type"] == "AuthenticationError"
	assert "sid" in deleted(answer)


def test_a_basic_token_that_is_no_base64_is_400(http: httpx.Client) -> None:
	answer = http.get("/api/method/ping", headers={"Authorization": "Basic a"})

	assert (answer.status_code, answer.json()["exc_type"]) == (400, "InvalidAuthorizationToken")


@pytest.mark.parametrize("header", ["token", "token ann-key:ann-secret more"])
def test_an_authorization_header_that_is_not_two_words_is_not_looked_at(
	http: httpx.Client, header: str
) -> None:
	assert http.get("/api/method/ping", headers={"Authorization": header}).json() == {"message": "pong"}


def test_a_session_goes_before_an_api_key_but_not_before_a_wrong_one(ann: httpx.Client) -> None:
	bob = ann.get(WHO, headers={"Authorization": "token bob-key:bob-secret"})
	wrong = ann.get(WHO, headers={"Authorization": "token bob-key:wrong"})
	bearer = ann.get(WHO, headers={"Authorization": "Bearer something"})

	assert bob.json() == {"message": "ann@example.com"}
	assert wrong.status_code == 401
	assert bearer.json() == {"message": "ann@example.com"}


def token_of(client: httpx.Client) -> str:
	page = client.get("/app")
	assert page.headers["cache-control"] == "no-store"
	return page.text.split("token of your session is ")[1].split(".")[0]


def test_a_session_that_opened_no_page_needs_no_csrf_token(ann: httpx.Client) -> None:
	assert call(ann, "by_post").json() == {"message": "posted"}


@pytest.mark.parametrize("page", ["/app", "/ai-assistant"])
def test_a_session_that_opened_a_page_needs_the_csrf_token_for_a_post(ann: httpx.Client, page: str) -> None:
	assert ann.get(page).status_code == 200

	answer = call(ann, "by_post")

	assert answer.status_code == 400
	body = answer.json()
	assert (body["exc_type"], "exception" in body, "exc" in body) == ("CSRFTokenError", False, False)
	assert json.loads(json.loads(body["_server_messages"])[0])["message"] == "Invalid Request"
	assert call(ann, "by_post", headers={"X-Frappe-CSRF-Token": "wrong"}).status_code == 400
	assert ann.get("/api/method/ai_assistant.api.nothing").status_code == 200


def test_the_csrf_token_counts_as_a_header_and_as_a_field(ann: httpx.Client) -> None:
	token = token_of(ann)
	assert token_of(ann) == token

	assert call(ann, "by_post", headers={"X-Frappe-CSRF-Token": token}).status_code == 200
	assert call(ann, "by_post", csrf_token=token).status_code == 200
	everything = call(ann, "everything", csrf_token=token, other=1).json()["message"]
	assert everything == {"other": 1, "cmd": "ai_assistant.api.everything"}


def test_an_api_key_needs_no_csrf_token_but_beside_a_sid_it_does(ann: httpx.Client) -> None:
	token_of(ann)

	assert call(ann, "by_post", headers=ANN).status_code == 400
	ann.cookies.clear()
	assert call(ann, "by_post", headers=ANN).status_code == 200


def test_a_guest_gets_no_csrf_token(http: httpx.Client) -> None:
	page = http.get("/app")

	assert (page.status_code, "token" in page.text) == (200, False)
	assert "You are Guest." in page.text


def test_roles_are_those_of_the_config_and_those_that_everybody_has(http: httpx.Client) -> None:
	def roles_of(user: str) -> set[str]:
		http.cookies.clear()
		log_in(http, user)
		return set(call(http, "roles").json()["message"])

	assert roles_of("ann@example.com") == {"AI Assistant User", "All", "Guest", "Desk User"}
	assert roles_of("web@example.com") == {"All", "Guest"}
	assert roles_of("Administrator") >= {"Administrator", "System Manager", "AI Assistant User", "Desk User"}


def test_user_info_tells_the_type_of_the_user(http: httpx.Client) -> None:
	info = "/api/method/frappe.realtime.get_user_info"

	assert http.get(info).json()["message"] == {"user": "Guest", "user_type": "Website User"}
	assert http.get(info, headers=ANN).json()["message"] == {
		"user": "ann@example.com",
		"user_type": "System User",
	}
	log_in(http, "web@example.com")
	assert http.get(info).json()["message"]["user_type"] == "Website User"


@pytest.mark.parametrize("header", ["Authorization", "x-api-key"])
def test_an_ai_key_chats_and_is_a_guest_elsewhere(http: httpx.Client, header: str) -> None:
	scheme = "Bearer " if header == "Authorization" else ""

	def ask(path: str, key: str = str(USERS["ann@example.com"]["ai_key"])) -> httpx.Response:
		return http.get(f"/api/method/{path}", headers={header: scheme + key})

	assert ask("ai_assistant.v1/models").status_code == 200
	assert ask("ai_assistant.v1/models", "aik-nobodys").status_code == 401
	assert ask("frappe.auth.get_logged_user").status_code == 403
	assert ask("ping").status_code == 200
	assert ask("frappe.realtime.get_user_info").json()["message"]["user"] == "Guest"
