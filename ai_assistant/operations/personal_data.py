"""Erases what this app keeps of a person when Frappe runs a Personal Data Deletion Request. docs/privacy.md lists it.

Frappe itself can only replace texts field by field. Rows of this app have JSON that must stay readable, so the rows are
deleted. The events of a request are found through the request, because the scheduler owns some of them.
"""

import json
import re
from typing import Any

import frappe

from ai_assistant import store

from . import metrics

DOCTYPES = ("AI Request", "AI Usage", "AI Key")

# What has a meaning of its own in SQL's LIKE and in the patterns of Redis.
LIKE, GLOB = r"[\\%_]", r"[\\*?\[\]]"


def erase_requested(doc: Any, method: str | None = None) -> None:
	"""Erases the person of a Personal Data Deletion Request. It is the doc event `on_update` of that DocType.

	Frappe gives the document its deletion steps and saves it before it redacts anything and renames the user
	(frappe/website/doctype/personal_data_deletion_request, `_anonymize_data`). Nothing else gives it steps.
	"""
	if doc.deletion_steps:
		erase(doc.email)


def erase(user: str) -> None:
	"""Deletes the requests, events, messages for webhooks, usage and AI Keys of a user. It does not commit.

	The figures of the site stay: its total usage, and the sums of the metrics. A request that runs ends within a second,
	because its row is gone.
	"""
	requests = frappe.get_all("AI Request", {"user": user}, pluck="name")
	for start in range(0, len(requests), metrics.BATCH):
		batch = requests[start : start + metrics.BATCH]
		store.current().count(metrics.sums_of, len(batch), batch)
		for doctype in ("AI Request Event", "AI Webhook Delivery"):
			frappe.db.delete(doctype, {"request": ("in", batch)})
	ai_keys = frappe.get_all("AI Key", {"user": user}, pluck="name")
	if ai_keys:
		frappe.db.delete("AI Usage", {"ai_key": ("in", ai_keys)})
		frappe.db.delete("Version", {"ref_doctype": "AI Key", "docname": ("in", ai_keys)})
	for doctype in DOCTYPES:
		frappe.db.delete(doctype, {"user": user})
	# Older versions made the first user of a day the owner of the site's usage.
	owners = {"owner": "Administrator", "modified_by": "Administrator"}
	frappe.db.set_value("AI Usage", {"owner": user}, owners, update_modified=False)
	# Frappe keeps a copy of a document that somebody deletes in Desk. Those without a user have the user as their owner.
	for doctypes, field in ((DOCTYPES, "user"), (("AI Request Event", "AI Webhook Delivery"), "owner")):
		named = _literally(f'"{field}": {json.dumps(user)}', LIKE)
		copies = {"deleted_doctype": ("in", doctypes), "data": ("like", f"%{named}%")}
		frappe.db.delete("Deleted Document", copies)
	frappe.cache.delete_keys(f"ai_assistant:continuation:{_literally(user, GLOB)}:")


def _literally(text: str, special: str) -> str:
	"""Escapes the special characters of a text, so that a pattern matches them alone."""
	return re.sub(special, r"\\\g<0>", text)
