"""Jobs for a worker under test. Its Python finds them by the PYTHONPATH that the Stack gives it."""

import threading
import time

# All that run at once meet here, which those of several processes would not.
TOGETHER = 8
_meeting = threading.Barrier(TOGETHER)


def who() -> list[str]:
	"""Whose job this is, in Frappe's own words, while others are somebody else's."""
	import frappe

	_meeting.wait(30)
	seen = [frappe.local.site, frappe.session.user, frappe.local.lang, frappe.get_site_path()]
	_meeting.wait(30)
	return [*seen, str(frappe.db.sql("select connection_id()")[0][0])]


def fail() -> None:
	raise ValueError("as it should")


def idle(seconds: float) -> None:
	until = time.monotonic() + seconds
	while time.monotonic() < until:
		time.sleep(0.05)
