"""What the tests beside the code share; `bench run-tests --app ai_assistant` runs them.

This is also the one place that says which Frappe it is: the tests expect what each does.
Frappe 15 looks for no tests in the folder of the package itself, so there are none beside this file.
"""

import inspect
import json
import threading
from typing import Any

import frappe
import frappe.client
from frappe.utils.password import update_password
from werkzeug.test import Client

from ai_assistant.permissions import MANAGER, USER

try:
	# Frappe 16.
	from frappe.tests import IntegrationTestCase as TestCase
except ImportError:
	# Frappe 15.
	from frappe.tests.utils import FrappeTestCase as TestCase

__all__ = [
	"COUNTS_FOR_ANYBODY",
	"FRAPPE",
	"TestCase",
	"commit",
	"delete_left_users",
	"delete_requests",
	"delete_user",
	"make_user",
	"provider",
	"readers",
	"rest",
	"rest_with",
	"start_without_requests",
]

FRAPPE = int(frappe.__version__.split(".")[0])
# 15.72.4 counts the rows of any DocType for any user (frappe/client.py, `get_count`); 15.101.1 and 16.17.0 do not.
COUNTS_FOR_ANYBODY = "frappe.db.count" in inspect.getsource(frappe.client.get_count)
FIRST_NAME, PASSWORD = "Test", "Tests-Passw0rd"


def commit() -> None:
	"""Commits what a test made. A request that the test sends has a connection of its own."""
	frappe.db.commit()  # nosemgrep: frappe-manual-commit


def make_user(name: str, *roles: str) -> str:
	"""A user of the tests whose API key is the name, committed: a request has its own connection."""
	delete_user(name)
	user = frappe.new_doc("User")
	user.update({"email": name, "first_name": FIRST_NAME, "send_welcome_email": 0, "api_key": name})
	user.user_type = "System User" if roles else "Website User"
	user.append_roles(*roles)
	user.api_secret = PASSWORD
	user.insert()
	update_password(name, PASSWORD)
	commit()
	return name


def delete_user(name: str) -> None:
	"""Deletes a user, if there is one, with the user's requests. Commits, also what was changed before."""
	# With innodb_snapshot_isolation, a transaction changes no row that another one changed after its start.
	commit()
	delete_requests(name)
	if frappe.db.exists("User", name):
		frappe.delete_doc("User", name, force=True, delete_permanently=True)
	commit()


def delete_left_users() -> None:
	"""Deletes the users of `make_user` that a killed run left."""
	for name, api_key in frappe.get_all(
		"User", filters={"first_name": FIRST_NAME}, fields=["name", "api_key"], as_list=True
	):
		if name == api_key:
			delete_user(name)


def delete_requests(user: str) -> None:
	"""Also what they have used, from the site's account too."""
	for name in frappe.get_all("AI Request", filters={"user": user}, pluck="name"):
		frappe.db.delete("AI Request Event", {"request": name})
		frappe.db.delete("AI Webhook Delivery", {"request": name})
	frappe.db.delete("AI Request", {"user": user})
	# The query builder has no update with a join.
	frappe.db.sql(  # nosemgrep: frappe-using-db-sql
		"""update `tabAI Usage` site join `tabAI Usage` own on own.day = site.day and site.user = '' and own.user = %s and own.ai_key is null
		set site.requests = site.requests - own.requests, site.tokens = site.tokens - own.tokens,
			site.cost_usd = site.cost_usd - own.cost_usd""",
		(user,),
	)
	frappe.db.delete("AI Usage", {"user": user})


def start_without_requests(test: TestCase, *users: str) -> None:
	"""A test finds none of these users' requests, and leaves none."""

	def empty() -> None:
		frappe.set_user("Administrator")
		frappe.db.rollback()
		for user in users:
			delete_requests(user)
		commit()

	empty()
	test.addCleanup(empty)


def readers(domain: str) -> dict[str, str]:
	"""Who looks at figures, and their role: two users, a System Manager, one without a role of ours, and a new user."""
	roles = {"ann": USER, "bob": USER, "chief": MANAGER, "stranger": "Report Manager", "new": USER}
	return {f"{name}@{domain}": role for name, role in roles.items()}


def provider(name: str, **overrides: Any) -> Any:
	"""An AI Provider that is not saved yet."""
	fields = {"api": "openai", "api_key": "sk-test", "default_model": "m", **overrides}
	return frappe.get_doc({"doctype": "AI Provider", "provider_name": name, **fields})


def rest(method: str, path: str, user: str | None = None, /, **fields: Any) -> tuple[int, Any]:
	"""Status and body of a request to the site's own WSGI application.

	`user` is one of `make_user`, a "key:secret", or None for a guest.
	"""
	if user is None:
		return rest_with({}, method, path, **fields)
	token = user if ":" in user else f"{user}:{PASSWORD}"
	return rest_with({"Authorization": f"token {token}"}, method, path, **fields)


def rest_with(headers: dict[str, str], method: str, path: str, /, **fields: Any) -> tuple[int, Any]:
	"""Status and body of a request with `headers`, made on a thread of its own: `frappe.local` is a request's."""
	from frappe.app import application

	headers = {"X-Frappe-Site-Name": frappe.local.site, **headers}
	sent: dict[str, Any] = {"query_string": fields} if method == "GET" else {"json": fields}
	answer: list[Any] = []

	def ask() -> None:
		# Frappe closes the database's connection when the response is closed.
		with Client(application).open(path, method=method, headers=headers, **sent) as response:
			answer.append((response.status_code, response.get_data().decode(errors="replace")))

	thread = threading.Thread(target=ask)
	thread.start()
	thread.join()
	status, body = answer[0]
	try:
		return status, json.loads(body)
	except ValueError:
		return status, body
