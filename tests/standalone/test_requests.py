"""Methods, arguments, answers, errors and transactions of a request, as in frappe/app.py."""

import json
import re
import socket
import sys
import threading
from pathlib import Path
from typing import Any, Union
from urllib.parse import urlsplit

import httpx
import pytest

from ai_assistant.standalone.server import RunningSite

from . import methods
from .conftest import ANN, call, log_in

API = "/api/method/ai_assistant.api"


def test_ping_is_for_everybody(http: httpx.Client) -> None:
	for path in ("ping", "frappe.ping", "ping/", "frappe.ping/anything"):
		assert http.get(f"/api/method/{path}").json() == {"message": "pong"}
	assert http.post("/api/v1/method/ping").json() == {"message": "pong"}


def test_a_guest_is_403_at_a_method_that_is_not_for_guests(http: httpx.Client) -> None:
	answer = call(http, "echo")

	assert answer.status_code == 403
	body = answer.json()
	assert body["exc_type"] == "PermissionError"
	assert body["exception"].startswith("frappe.exceptions.PermissionError: ")
	message = json.loads(json.loads(body["_server_messages"])[0])
	assert "Function <strong>ai_assistant.api.echo</strong> is not whitelisted." in message["message"]
	assert (message["title"], message["indicator"], message["raise_exception"]) == (
		"Method Not Allowed",
		"red",
		1,
	)
	assert call(http, "for_guests").json() == {"message": "Guest"}


@pytest.mark.parametrize("name", ["not_whitelisted", "frappe", "entered"])
def test_what_is_not_whitelisted_is_403_for_everybody(http: httpx.Client, name: str) -> None:
	assert call(http, name, headers=ANN).status_code == 403


@pytest.mark.parametrize(
	("command", "why"),
	[
		("ai_assistant.api.nosuch", "has no attribute 'nosuch'"),
		("ai_assistant.nosuch.method", "No module named 'ai_assistant.nosuch'"),
		("os.system", "App os is not installed"),
		("frappe.client.get_list", "No module named 'frappe.client'"),
		("nosuch", "App nosuch is not installed"),
	],
)
def test_an_unknown_method_is_417(http: httpx.Client, command: str, why: str) -> None:
	answer = http.get(f"/api/method/{command}")

	assert answer.status_code == 417
	assert answer.json()["exc_type"] == "ValidationError"
	assert answer.json()["exception"].startswith(
		f"frappe.exceptions.ValidationError: Failed to get method for command {command} with "
	)
	assert why in answer.json()["exception"]


def test_a_request_imports_nothing(http: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
	# A real module of the app that is not imported yet.
	monkeypatch.delitem(sys.modules, "ai_assistant.hooks", raising=False)

	assert http.get("/api/method/ai_assistant.hooks.app_name").status_code == 417
	assert "ai_assistant.hooks" not in sys.modules


def test_the_wrong_http_method_is_403(http: httpx.Client) -> None:
	for wrong in ("GET", "PUT", "PATCH", "HEAD"):
		assert http.request(wrong, f"{API}.by_post", headers=ANN).status_code == 403
	assert http.patch(f"{API}.nothing", headers=ANN).status_code == 403
	assert http.put(f"{API}.nothing", headers=ANN).status_code == 200
	assert "Not permitted" in http.get(f"{API}.by_post", headers=ANN).json()["exception"]


def test_other_paths_of_the_api_are_404_without_a_traceback(http: httpx.Client) -> None:
	for path in ("/api/resource/User", "/api/v2/method/ping", "/api/method/", "/api/"):
		answer = http.get(path)
		assert (answer.status_code, answer.json()) == (404, {"exc_type": "DoesNotExistError"})
	assert http.get("/nosuch").status_code == 404
	assert http.post("/").status_code == 404


def test_a_request_for_another_site_is_404(http: httpx.Client) -> None:
	assert http.get("/api/method/ping", headers={"X-Frappe-Site-Name": "other"}).status_code == 404
	assert http.get("/api/method/ping", headers={"X-Frappe-Site-Name": "standalone"}).status_code == 200


def test_an_options_request_has_an_empty_answer(http: httpx.Client) -> None:
	answer = http.options(f"{API}.echo")

	assert (answer.status_code, answer.content) == (200, b"")


def test_arguments_come_as_json_as_a_form_and_in_the_query(http: httpx.Client) -> None:
	def text(**request: Any) -> str:
		answer = http.post(f"{API}.echo", headers=ANN, **request)
		return str(answer.json()["message"]["text"])

	assert text(json={"text": "a"}) == "a"
	assert text(data={"text": "b"}) == "b"
	assert text(files={"text": (None, "c")}) == "c"
	assert text(params={"text": "d"}) == "d"
	assert text(params={"text": "query"}, data={"text": "form"}) == "form"
	assert text(params={"text": "query"}, json={"number": 1}) == ""
	assert text(content=iter([b'{"text":', b' "chunked"}'])) == ""


def test_a_chunked_body_is_read(http: httpx.Client) -> None:
	headers = {**ANN, "Content-Type": "application/json"}

	answer = http.post(f"{API}.echo", content=iter([b'{"text":', b' "chunked"}']), headers=headers)

	assert answer.json()["message"]["text"] == "chunked"


def test_a_json_body_without_its_content_type_is_not_read(http: httpx.Client) -> None:
	answer = http.post(f"{API}.echo", content=b'{"text": "a"}', headers=ANN)

	assert answer.json()["message"]["text"] == ""


def test_a_body_that_is_no_json_is_500(http: httpx.Client) -> None:
	answer = http.post(
		f"{API}.echo", content=b'{"text": ', headers={**ANN, "Content-Type": "application/json"}
	)

	assert (answer.status_code, answer.json()["exc_type"]) == (500, "JSONDecodeError")
	assert answer.json()["exception"].startswith("json.decoder.JSONDecodeError: Expecting value")


def test_a_json_list_is_the_argument_data_and_a_scalar_is_417(http: httpx.Client) -> None:
	assert http.post(f"{API}.everything", json=[1, 2], headers=ANN).json()["message"] == {
		"data": [1, 2],
		"cmd": "ai_assistant.api.everything",
	}
	scalar = http.post(f"{API}.echo", json="text", headers=ANN)
	assert scalar.status_code == 417
	assert scalar.json()["exception"] == "frappe.exceptions.ValidationError: Invalid request arguments"


def test_unknown_arguments_are_dropped(http: httpx.Client) -> None:
	answer = call(http, "echo", text="a", unknown=1, headers=ANN)

	assert answer.json()["message"]["text"] == "a"


def test_flags_and_ignore_permissions_never_come_in_and_neither_does_jquerys_underscore(
	http: httpx.Client,
) -> None:
	answer = call(http, "everything", flags=1, ignore_permissions=1, _=1, other=2, headers=ANN)

	assert answer.json()["message"] == {"other": 2, "cmd": "ai_assistant.api.everything"}


def test_a_missing_argument_is_500_with_pythons_own_words(http: httpx.Client) -> None:
	answer = call(http, "required", headers=ANN)

	assert answer.status_code == 500
	assert "missing 1 required positional argument: 'text'" in answer.json()["exception"]


@pytest.mark.parametrize(
	("value", "got"),
	[
		({"number": "3"}, {"number": 3}),
		({"number": 3.0}, {"number": 3}),
		({"flag": "true"}, {"flag": True}),
		({"flag": 1}, {"flag": 1}),
		({"flag": 0.5}, {"flag": 0.5}),
		({"both": ["a"]}, {"both": ["a"]}),
		({"both": '["a"]'}, {"both": '["a"]'}),
		({"both": None}, {"both": None}),
	],
)
def test_an_argument_is_converted_to_its_annotation(
	http: httpx.Client, value: dict[str, Any], got: dict[str, Any]
) -> None:
	answer = call(http, "echo", headers=ANN, **value)

	assert answer.status_code == 200, answer.text
	assert answer.json()["message"].items() >= got.items()


@pytest.mark.parametrize(
	("value", "message"),
	[
		({"number": "three"}, "Argument 'number' should be of type 'int' but got 'str' instead."),
		({"number": None}, "Argument 'number' should be of type 'int' but got 'NoneType' instead."),
		({"text": 1}, "Argument 'text' should be of type 'str' but got 'int' instead."),
		(
			{"flag": "perhaps"},
			# As this Python writes it: since 3.14 with `|`.
			f"Argument 'flag' should be of type '{Union[int, bool, float]}' but got 'str' instead.",  # noqa: UP007
		),
		(
			{"both": {"a": 1}},
			f"Argument 'both' should be of type '{Union[list, str, None]}' but got 'dict' instead.",  # noqa: UP007
		),
	],
)
def test_an_argument_of_another_type_is_417(http: httpx.Client, value: dict[str, Any], message: str) -> None:
	answer = call(http, "echo", headers=ANN, **value)

	assert (answer.status_code, answer.json()["exc_type"]) == (417, "FrappeTypeError")
	assert answer.json()["exception"] == f"frappe.exceptions.FrappeTypeError: {message}"


def test_an_annotation_that_is_a_string_is_not_checked(http: httpx.Client) -> None:
	assert call(http, "unchecked", number="three", headers=ANN).json() == {"message": "three"}


def test_arguments_are_not_checked_outside_a_request() -> None:
	assert methods.echo(number="three")["number"] == "three"


def test_a_method_that_returns_nothing_has_an_empty_object_as_its_answer(http: httpx.Client) -> None:
	answer = call(http, "nothing", headers=ANN)

	assert (answer.content, answer.headers["content-type"]) == (b"{}", "application/json")


def test_a_method_may_set_the_status_of_its_answer(http: httpx.Client) -> None:
	answer = call(http, "own_status", headers=ANN)

	assert (answer.status_code, answer.json()) == (202, {"message": "accepted"})


def test_an_answer_that_is_no_json_is_500(http: httpx.Client) -> None:
	answer = call(http, "no_json", headers=ANN)

	assert (answer.status_code, answer.json()["exc_type"]) == (500, "TypeError")


def test_a_response_passes_through_untouched_and_what_was_written_is_kept(http: httpx.Client) -> None:
	answer = call(http, "keep", request_id="passes", then="respond", headers=ANN)

	assert (answer.status_code, answer.text, answer.headers["retry-after"]) == (429, "kept", "7")
	assert answer.headers["content-type"].startswith("text/plain")
	assert "sid=Guest" in answer.headers["set-cookie"]
	assert call(http, "is_stored", request_id="passes", headers=ANN).json() == {"message": True}


@pytest.mark.parametrize(
	("http_method", "then", "stored"),
	[
		("POST", "", True),
		("PUT", "", True),
		("POST", "raise", False),
		("POST", "refuse", False),
		("GET", "", False),
		("GET", "raise", False),
		("GET", "respond", False),
		("GET", "commit", True),
		("GET", "flag", True),
	],
)
def test_a_post_is_committed_a_get_and_an_error_are_rolled_back(
	http: httpx.Client, http_method: str, then: str, stored: bool
) -> None:
	request_id = f"row-{http_method}-{then}"

	http.request(http_method, f"{API}.keep", params={"request_id": request_id, "then": then}, headers=ANN)

	assert call(http, "is_stored", request_id=request_id, headers=ANN).json() == {"message": stored}


def test_an_exception_of_the_method_is_500_with_its_traceback_and_a_line_in_the_log(
	http: httpx.Client, data: Path
) -> None:
	answer = call(http, "keep", request_id="fails", then="raise", headers=ANN)

	assert answer.status_code == 500
	body = answer.json()
	assert (body["exc_type"], body["exception"]) == (
		"RuntimeError",
		"RuntimeError: after the row was written",
	)
	assert "in keep" in json.loads(body["exc"])[0]
	assert "after the row was written" in (data / "logs" / "frappe.log").read_text()


def test_a_refusal_has_the_status_of_its_exception_and_its_message_for_the_user(http: httpx.Client) -> None:
	answer = call(http, "keep", request_id="refused", then="refuse", headers=ANN)

	assert answer.status_code == 403
	assert answer.json()["exception"] == "frappe.exceptions.PermissionError: not like this"
	message = json.loads(json.loads(answer.json()["_server_messages"])[0])
	assert (message["message"], message["title"]) == ("not like this", "No")


def test_what_the_stand_in_does_not_have_names_itself(http: httpx.Client) -> None:
	answer = call(http, "missing", headers=ANN)

	assert answer.json()["exception"] == "AttributeError: the standalone site has no frappe.get_doc"


def test_a_body_that_is_too_large_is_413(site: RunningSite) -> None:
	where = urlsplit(site.url)
	with socket.create_connection((where.hostname, where.port), timeout=10) as connection:
		connection.sendall(
			b"POST /api/method/ping HTTP/1.1\r\nHost: x\r\nContent-Length: 26214401\r\n\r\nthe first of it"
		)
		assert connection.recv(100).startswith(b"HTTP/1.1 413 ")


def test_a_client_that_hangs_up_does_not_end_its_request(site: RunningSite, http: httpx.Client) -> None:
	where = urlsplit(site.url)
	with socket.create_connection((where.hostname, where.port), timeout=10) as connection:
		head = (
			f"POST {API}.wait?request_id=hung-up HTTP/1.1\r\nHost: x\r\nAuthorization: {ANN['Authorization']}"
		)
		connection.sendall(f"{head}\r\nContent-Length: 0\r\n\r\n".encode())
		assert methods.entered.wait(10)

	# The server has read the hang-up before this, which came after it.
	assert http.get("/api/method/ping").status_code == 200
	methods.leave.set()

	assert methods.finished.wait(10)
	assert call(http, "is_stored", request_id="hung-up", headers=ANN).json() == {"message": True}


def test_a_body_cut_short_does_not_run(site: RunningSite, http: httpx.Client) -> None:
	where = urlsplit(site.url)
	form = b"request_id=cut-short&then="
	head = f"POST {API}.keep HTTP/1.1\r\nHost: x\r\nAuthorization: {ANN['Authorization']}\r\n"
	head += f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(form) + 9}\r\n\r\n"
	with socket.create_connection((where.hostname, where.port), timeout=10) as connection:
		connection.sendall(head.encode() + form)
		connection.shutdown(socket.SHUT_WR)
		while connection.recv(1000):
			pass

	assert call(http, "is_stored", request_id="cut-short", headers=ANN).json() == {"message": False}


def test_a_streamed_response_is_sent_piece_by_piece_and_keeps_its_request(ann: httpx.Client) -> None:
	with ann.stream("GET", f"{API}.lines") as answer:
		assert "content-length" not in answer.headers
		pieces = answer.iter_text()
		assert next(pieces) == "first\n"
		assert methods.entered.wait(10)
		methods.leave.set()
		assert "".join(pieces) == "ann@example.com\n"


def test_a_hang_up_closes_a_streamed_body_at_its_next_part(http: httpx.Client) -> None:
	methods.closed_for.clear()

	with http.stream("POST", f"{API}.stream_until_closed", json={}, headers=ANN) as answer:
		assert next(answer.iter_text()).startswith("first")
		assert not methods.entered.is_set()

	assert methods.entered.wait(10)
	assert methods.closed_for == ["ann@example.com"]


@pytest.mark.parametrize(("http_method", "stored"), [("GET", "FalseFalse"), ("POST", "TrueTrue")])
def test_the_transaction_has_ended_when_a_response_is_streamed(
	http: httpx.Client, http_method: str, stored: str
) -> None:
	where = f"{API}.stream_whether_kept"

	answer = http.request(http_method, where, params={"request_id": "streamed"}, headers=ANN)

	assert answer.text == stored


def test_many_requests_wait_at_once_and_another_still_gets_through(site: RunningSite) -> None:
	limits = httpx.Limits(max_connections=100)
	with httpx.Client(base_url=site.url, timeout=15, limits=limits, headers=ANN) as client:
		done: list[Any] = []
		threads = [
			threading.Thread(target=lambda: done.append(call(client, "wait").json())) for _ in range(60)
		]
		for thread in threads:
			thread.start()
		assert methods.entered.wait(10)
		assert client.get("/api/method/ping").json() == {"message": "pong"}
		assert done == []
		methods.leave.set()
		for thread in threads:
			thread.join(15)
	assert done == [{"message": "waited"}] * 60


def test_a_logger_writes_errors_to_the_sites_own_file(http: httpx.Client, data: Path) -> None:
	call(http, "log", text="line", headers=ANN)

	written = (data / "logs" / "room.log").read_text()
	assert " ERROR room loud line\n" in written
	assert "quiet" not in written


def test_the_page_sends_a_guest_to_the_login(http: httpx.Client) -> None:
	answer = http.get("/")
	assert (answer.status_code, answer.headers["location"]) == (302, "/ai-assistant")
	answer = http.get("/ai-assistant")
	assert (answer.status_code, answer.headers["location"]) == (302, "/login?redirect-to=/ai-assistant")
	login = http.get("/login")
	assert login.status_code == 200
	assert 'name="pwd" type="password"' in login.text


def test_the_page_knows_who_looks_at_it_and_no_secret(ann: httpx.Client) -> None:
	answer = ann.get("/ai-assistant")

	assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
	assert answer.headers["content-type"].startswith("text/html")
	(boot,) = re.findall(r'<script type="application/json" id="boot">(.*?)</script>', answer.text)
	token = json.loads(boot).pop("csrf_token")
	assert json.loads(boot) == {
		"site": "standalone",
		"user": "ann@example.com",
		"csrf_token": token,
		"socketio_port": None,
		"may_use": True,
		"keeps_questions": False,
		"desk": "/app",
		"lang": "en",
		"messages": {},
		"theme": "automatic",
	}
	assert call(ann, "by_post", headers={"X-Frappe-CSRF-Token": token}).status_code == 200


@pytest.mark.parametrize(("theme", "shown"), [("Dark", "dark"), ("Light", "light"), ("", "automatic")])
def test_the_page_has_the_theme_of_its_user(
	ann: httpx.Client, monkeypatch: pytest.MonkeyPatch, theme: str, shown: str
) -> None:
	themes = {("User", "ann@example.com", "desk_theme"): theme}
	monkeypatch.setattr("frappe.get_cached_value", lambda *arguments: themes[arguments])
	assert f'<html lang="en" dir="ltr" data-theme="{shown}">' in ann.get("/ai-assistant").text


@pytest.mark.parametrize("path", ["/ai-assistant", "/ai-assistant/connect"])
def test_a_page_has_the_translations_of_its_scripts_alone(
	ann: httpx.Client, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
	translations = {"Copied": "Kopiert", "A sentence of another app": "Ein Satz"}
	monkeypatch.setattr("ai_assistant.languages.get_all_translations", lambda lang: translations)
	(boot,) = re.findall(r'<script type="application/json" id="boot">(.*?)</script>', ann.get(path).text)
	assert json.loads(boot)["messages"] == {"Copied": "Kopiert"}


def test_the_logo_leads_to_desk_where_the_user_has_one(ann: httpx.Client, http: httpx.Client) -> None:
	assert '<a href="/app"' in ann.get("/ai-assistant").text
	log_in(http, "web@example.com")
	refused = http.get("/ai-assistant").text
	assert 'href="/app"' not in refused and "ai_assistant.svg" in refused


def test_the_page_tells_a_user_without_the_role(http: httpx.Client) -> None:
	log_in(http, "bob@example.com")

	answer = http.get("/ai-assistant")

	assert answer.status_code == 403
	assert "bob@example.com may not use the AI Assistant yet: it needs the role" in answer.text
	assert 'id="prompt"' not in answer.text


def test_the_files_of_the_page_are_served_and_no_others(http: httpx.Client) -> None:
	svg = http.get("/assets/ai_assistant/images/ai_assistant.svg")
	assert (svg.status_code, svg.headers["content-type"]) == (200, "image/svg+xml; charset=utf-8")
	again = http.get(svg.request.url, headers={"If-None-Match": svg.headers["etag"]})
	assert (again.status_code, again.content) == (304, b"")
	for path in ("", "images", "nosuch.js", "../hooks.py", "%2e%2e/hooks.py", "..%2fhooks.py", "/etc/passwd"):
		assert http.get(f"/assets/ai_assistant/{path}").status_code == 404
	assert http.get("/assets/frappe/images/ai_assistant.svg").status_code == 404
