"""Runs Frappe's doc events of AI Request when a request has ended.

The rows are written in SQL, so Frappe would not run its Notifications, Webhooks and Server Scripts. A job runs
them once for each request, as if the document had been saved. The job is enqueued only if there is such a
listener.
"""

import frappe

from ai_assistant import store
from ai_assistant.config import forms
from ai_assistant.log import fails_quietly

from . import jobs

REQUEST = "AI Request"
EVENTS = ("on_update", "on_change")
"""What Frappe runs after it has saved a document (frappe/model/document.py, `run_post_save_methods`)."""
JOB = f"{__name__}.run"


@fails_quietly
def start(name: str) -> None:
	"""Enqueues the doc events of a request that has ended, if somebody listens to them."""
	# The standalone site has no documents.
	if not forms.exist():
		return
	# Commits, so that what the caller reads next is not older than this check.
	with store.transaction():
		listens = _anybody_listens()
	if listens:
		jobs.enqueue(JOB, "short", f"{JOB}:{name}", name=name)


@fails_quietly
def run(name: str) -> None:
	"""Runs the doc events. It is a job of Frappe's queue."""
	# The request may be deleted meanwhile.
	if not frappe.db.exists(REQUEST, name):
		return
	doc = frappe.get_doc(REQUEST, name)
	for event in EVENTS:
		doc.run_method(event)


def _anybody_listens() -> bool:
	"""Whether an app, a Notification, a Webhook or a Server Script names AI Request. A listener to `*` does not count."""
	if set(EVENTS) & frappe.get_hooks("doc_events", {}).get(REQUEST, {}).keys():
		return True
	((listens,),) = frappe.db.sql(  # nosemgrep: frappe-using-db-sql
		# The query builder has no SELECT without a table. Three queries would take three times as long.
		"""SELECT EXISTS (SELECT 1 FROM `tabNotification` WHERE enabled = 1 AND document_type = %(doctype)s)
		OR EXISTS (SELECT 1 FROM `tabWebhook` WHERE enabled = 1 AND webhook_doctype = %(doctype)s)
		OR EXISTS (SELECT 1 FROM `tabServer Script` WHERE disabled = 0 AND reference_doctype = %(doctype)s)""",
		{"doctype": REQUEST},
	)
	return bool(listens)
