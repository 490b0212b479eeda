"""What a test does in the bench's own Python, to the site of the Stack: `Stack.inside` runs it there."""

import json
import os
import sys
from typing import Any


def check() -> dict[str, Any]:
	"""Looks as the scheduler does; the alerts that are open by then, and what the administrator was told so far."""
	import frappe

	from ai_assistant.operate import alerts

	alerts.check()
	found = frappe.get_all("AI Alert", {"status": "open"}, ["kind", "subject", "message"])
	told = frappe.get_all(
		"Notification Log", {"for_user": "Administrator", "document_type": "AI Alert"}, pluck="subject"
	)
	return {
		"open": {f"{each.kind} {each.subject or ''}".strip(): each.message for each in found},
		"told": sorted(told),
	}


def clear() -> None:
	"""As if nobody had asked for anything yet."""
	import frappe

	for doctype in ("AI Request", "AI Request Event", "AI Alert", "Notification Log"):
		frappe.db.delete(doctype)


def pass_time() -> None:
	"""An hour passes since alerts were seen, and since requests ended."""
	import frappe

	frappe.db.sql("update `tabAI Alert` set seen = seen - 3600")
	frappe.db.sql("update `tabAI Request` set ended = ended - 3600 where ended > 0")


def leak(chats: int, bytes_each: int) -> str:
	"""Asks in this process, which keeps so much of each chat; what its requests call it."""
	from ai_assistant.api import chat_completion
	from ai_assistant.chat import memory

	kept = []
	for _ in range(chats):
		kept.append(b"x" * bytes_each)
		answer: Any = chat_completion(messages=[{"role": "user", "content": "hello"}])
		assert answer["success"], answer
	return str(memory.now()["process_id"])


if __name__ == "__main__":
	import frappe

	# Not this folder.
	sys.path.pop(0)
	site, url, step, given = sys.argv[1:]
	frappe.init(site)
	frappe.connect()
	frappe.set_user("Administrator")
	# Where browsers find the Stack: of its ports this one is read by Node alone.
	frappe.local.conf.update(host_name=url, socketio_port=os.environ["FRAPPE_SOCKETIO_PORT"])
	steps: dict[str, Any] = {"check": check, "clear": clear, "pass_time": pass_time, "leak": leak}
	answered = steps[step](**json.loads(given))
	frappe.db.commit()
	print(json.dumps(answered))
