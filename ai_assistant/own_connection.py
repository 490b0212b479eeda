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
	# `frappe.local` is another one on the thread.
	site, sites_path, lang = frappe.local.site, frappe.local.sites_path, frappe.local.lang

	def run() -> None:
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

	thread = threading.Thread(target=run, daemon=True)
	thread.start()
	return thread
