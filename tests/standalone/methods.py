"""What an app's API module may hold: stands in the place of `ai_assistant.api` in this room's tests.

No `from __future__ import annotations` here: it would switch the check of arguments off.
"""

import threading
import time
from pathlib import Path
from typing import Any

import frappe
from werkzeug.wrappers import Response

import ai_assistant
from ai_assistant import store

# The site imports modules of the real package as well.
__path__ = [str(Path(ai_assistant.__file__).parent / "api")]

entered = threading.Event()
leave = threading.Event()
finished = threading.Event()
closed_for: list[str] = []


@frappe.whitelist()
def echo(
	text: str = "", number: int = 0, flag: bool = False, both: list | str | None = None
) -> dict[str, Any]:
	return {"text": text, "number": number, "flag": flag, "both": both}


@frappe.whitelist()
def required(text: str) -> str:
	return text


@frappe.whitelist()
def unchecked(number: "int") -> Any:
	return number


@frappe.whitelist()
def everything(**kwargs: Any) -> dict[str, Any]:
	return kwargs


@frappe.whitelist(allow_guest=True)
def for_guests() -> str:
	return frappe.session.user


@frappe.whitelist(methods=["POST"])
def by_post() -> str:
	return "posted"


def not_whitelisted() -> str:
	return "never"


@frappe.whitelist()
def nothing() -> None:
	return None


@frappe.whitelist()
def no_json() -> object:
	return object()


@frappe.whitelist()
def own_status() -> str:
	frappe.local.response["http_status_code"] = 202
	return "accepted"


@frappe.whitelist()
def roles() -> list[str]:
	return frappe.get_roles()


@frappe.whitelist()
def setting(key: str) -> Any:
	return frappe.conf.get(key)


@frappe.whitelist()
def keep(request_id: str, then: str = "") -> str:
	"""Writes a row, and then does what the test wants to see the fate of the row by."""
	store.current().open({"user": frappe.session.user, "request_id": request_id})
	if then == "raise":
		raise RuntimeError("after the row was written")
	if then == "refuse":
		frappe.throw("not like this", frappe.PermissionError, title="No")
	if then == "commit":
		frappe.db.commit()
	if then == "flag":
		frappe.local.flags.commit = True
	if then == "respond":
		return Response("kept", status=429, headers={"Retry-After": "7"}, mimetype="text/plain")
	return "kept"


@frappe.whitelist()
def is_stored(request_id: str) -> bool:
	return store.current().get(frappe.session.user, request_id) is not None


@frappe.whitelist()
def publish(events: list, room: str = "", user: str = "", task_id: str = "") -> None:
	for event in events:
		frappe.publish_realtime("news", event, room=room, user=user, task_id=task_id)


@frappe.whitelist()
def publish_later(events: list, user: str, then: str) -> None:
	for event in events:
		frappe.publish_realtime("news", event, user=user, after_commit=True)
	if then == "commit":
		frappe.db.commit()
	if then == "rollback":
		frappe.db.rollback()
	if then == "raise":
		raise RuntimeError("after the events were published")


@frappe.whitelist()
def publish_what_cannot_be_sent() -> None:
	frappe.db.emit("news", object(), "website")


@frappe.whitelist()
def log(text: str) -> None:
	logger = frappe.logger("room")
	logger.info("quiet %s", text)
	logger.error("loud %s", text)


@frappe.whitelist()
def missing() -> Any:
	return frappe.get_doc("User", "Administrator")


@frappe.whitelist()
def lines() -> Response:
	def body() -> Any:
		yield "first\n"
		entered.set()
		leave.wait(10)
		yield f"{frappe.session.user}\n"

	return Response(body(), mimetype="text/plain")


@frappe.whitelist()
def stream_until_closed() -> Response:
	def body() -> Any:
		yield "first\n"
		try:
			while True:
				leave.wait(0.05)
				yield ": still here\n"
		except GeneratorExit:
			closed_for.append(frappe.session.user)
			entered.set()
			raise

	return Response(body(), mimetype="text/event-stream")


@frappe.whitelist()
def stream_whether_kept(request_id: str) -> Response:
	store.current().open({"user": frappe.session.user, "request_id": request_id})
	return Response(str(is_stored(request_id)) for _ in range(2))


@frappe.whitelist()
def wait(request_id: str = "") -> str:
	entered.set()
	leave.wait(10)
	if request_id:
		store.current().open({"user": frappe.session.user, "request_id": request_id})
		frappe.db.commit()
		finished.set()
	return "waited"


@frappe.whitelist()
def wait_for_ever() -> None:
	entered.set()
	while True:
		time.sleep(60)
