"""A session of the Administrator for `bench … ai-assistant smoke`, which chats as a real user does."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone

import frappe

from .doctor.check import CheckFailed

USER = "Administrator"
# Longer than the longest chat inside a web request.
SESSION_S = 300


@contextmanager
def session() -> Iterator[str]:
	"""Log in as Administrator, as `bench browse --user Administrator` does, and log out at the end.

	Frappe creates the session, records it in the Activity Log, and ends it after SESSION_S seconds in any case.

	Yields:
		The `sid` of the session.

	Raises:
		CheckFailed: Frappe refuses the login.
	"""
	from frappe.auth import CookieManager, LoginManager
	from frappe.sessions import delete_session

	# LoginManager reads the request, and makes its user the user of this process.
	frappe.utils.set_request(path="/")
	frappe.local.cookie_manager = CookieManager()
	frappe.local.login_manager = LoginManager()
	session_end = datetime.now(timezone.utc) + timedelta(seconds=SESSION_S)
	try:
		frappe.local.login_manager.login_as(USER, session_end=session_end.isoformat())
	except (frappe.AuthenticationError, frappe.ValidationError) as error:
		raise CheckFailed(
			f"{USER} cannot log in: {error or type(error).__name__}",
			"Chat as another user: ai-assistant smoke --url … --token key:secret.",
		) from None
	sid = frappe.session.sid
	# The site that is asked with this session reads it on a connection of its own.
	frappe.db.commit()  # nosemgrep: frappe-manual-commit
	try:
		yield sid
	finally:
		delete_session(sid, USER, "smoke has ended")
