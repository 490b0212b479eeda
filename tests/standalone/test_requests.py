"""Methods, arguments, answers, errors and transactions of a request, as in frappe/app.py."""

import gc
import json
import sys
import threading
import weakref
from pathlib import Path
from typing import Any, Union

import httpx
import pytest
from werkzeug.wrappers import Request

from ai_assistant.standalone import site as site_module

from . import methods
from .conftest import ANN, call

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


def test_a_logger_writes_errors_to_the_sites_own_file(http: httpx.Client, data: Path) -> None:
	call(http, "log", text="line", headers=ANN)

	written = (data / "logs" / "room.log").read_text()
	assert " ERROR room loud line\n" in written
	assert "quiet" not in written


def test_a_request_is_freed_without_the_garbage_collector(
	http: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
	"""It holds its body, which may be a conversation of megabytes."""
	freed = threading.Event()

	class Watched(Request):
		def __init__(self, *arguments: Any, **options: Any) -> None:
			super().__init__(*arguments, **options)
			weakref.finalize(self, freed.set)

	monkeypatch.setattr(site_module, "Request", Watched)
	gc.disable()
	try:
		assert http.get("/api/method/ping").json() == {"message": "pong"}
		assert freed.wait(10)
	finally:
		gc.enable()
