"""Runs a function on a thread that has its own `frappe.local` and its own connection to the database of a bench."""

import threading
from collections.abc import Callable
from typing import Any

import frappe


def start(function: Callable[[], Any], done: Callable[[Any], None], user: str) -> threading.Thread:
	"""Starts a daemon thread for a user, on the site and in the language of the calling thread.

	Args:
		function: what the thread runs. It commits what it writes.
		done: is called on the thread with what the function returns, or with the exception that it raises.
		user: the user of the thread's session.

	Returns:
		The started thread.
	"""
	caller = frappe.local
	arguments = (function, done, user, caller.site, caller.sites_path, caller.lang)
	thread = threading.Thread(target=_run, args=arguments, daemon=True)
	thread.start()
	return thread


def _run(
	function: Callable[[], Any],
	done: Callable[[Any], None],
	user: str,
	site: str,
	sites_path: str,
	lang: str,
) -> None:
	try:
		frappe.init(site, sites_path=sites_path)
		frappe.connect()
		frappe.set_user(user)
		frappe.local.lang = lang
		done(function())
	except Exception as error:
		done(error)
	finally:
		frappe.destroy()
