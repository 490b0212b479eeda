"""The steps of `bench_site.py` that need Frappe. The bench's own Python runs this text: STEP SITE, arguments as JSON on stdin."""

import json
import sys
from pathlib import Path
from typing import Any

APP = "ai_assistant"
# Where the site's own configuration waits meanwhile, in its site_config.json.
KEPT = "before_test_bench"
# The first name of the suite's users: one without it is a real user's and left alone.
OWN = "Contract suite"
# A background job of Frappe may write the Contact of a user that is deleted here.
ATTEMPTS = 3


def main(step: str, site: str, arguments: dict[str, Any]) -> Any:
	"""Runs a step on a site, in the sites folder of the bench. Returns its answer."""
	import frappe

	frappe.init(site)
	frappe.connect()
	try:
		frappe.set_user("Administrator")
		steps = {
			"allow_tests": _allow_tests,
			"prepare": _prepare,
			"configure": _configure,
			"restore": _restore,
		}
		for attempt in range(ATTEMPTS):
			try:
				answer = steps[step](**arguments)
				frappe.db.commit()
				return answer
			except frappe.QueryDeadlockError:
				frappe.db.rollback()
				if attempt == ATTEMPTS - 1:
					raise
	finally:
		frappe.destroy()


def _allow_tests() -> None:
	import frappe
	from frappe.installer import get_site_config_path, update_site_config
	from frappe.utils.password import get_encryption_key

	from ai_assistant.bench_tests import delete_left_users, delete_requests

	# The first process that needs the key makes it. A web server with an older site_config.json in memory would make
	# another one and put it in the place of this process's.
	get_encryption_key()
	own = json.loads(Path(get_site_config_path()).read_text())
	# A run that was killed left its users and their requests.
	delete_left_users()
	for user in frappe.get_all("User", filters={"first_name": OWN}, pluck="name"):
		delete_requests(user)
	if KEPT not in own:
		update_site_config(KEPT, {key: own.get(key) for key in (APP, "allow_tests")})
	update_site_config("allow_tests", True)
	# The tests begin with the site's forms alone.
	update_site_config(APP, "None")


def _prepare(users: dict[str, Any], config: dict[str, Any]) -> Any:
	import frappe
	from frappe.core.doctype.user.user import generate_keys
	from frappe.installer import update_site_config
	from frappe.utils.password import update_password

	from ai_assistant.bench_tests import delete_requests

	update_site_config(APP, config)
	tokens = {}
	for name, entry in users.items():
		if (first_name := frappe.db.get_value("User", name, "first_name")) not in (None, OWN):
			return {"unusable": f"The site has a user {name} of its own; test on another site."}
		if not first_name:
			user = frappe.new_doc("User")
			user.update(
				{
					"email": name,
					"first_name": OWN,
					"user_type": entry.get("user_type", "System User"),
					"send_welcome_email": 0,
					# Frappe ends a user's oldest session with the third login.
					"simultaneous_sessions": 1000,
				}
			)
			user.append_roles(*entry["roles"])
			user.insert()
		# Each suite starts without the requests of the suite before it, which kept their content.
		delete_requests(name)
		update_password(name, entry["password"])
		secret = generate_keys(name)["api_secret"]
		tokens[name] = f"{frappe.db.get_value('User', name, 'api_key')}:{secret}"
	return tokens


def _configure(config: dict[str, Any]) -> None:
	from frappe.installer import update_site_config

	update_site_config(APP, config)


def _restore() -> None:
	import frappe
	from frappe.installer import update_site_config

	from ai_assistant.bench_tests import delete_requests

	users = frappe.get_all("User", filters={"first_name": OWN}, pluck="name")
	for user in users:
		delete_requests(user)
		frappe.delete_doc("User", user, force=True, delete_permanently=True)
	for key, value in (frappe.conf.get(KEPT) or {}).items():
		# The string removes the key (frappe/installer.py).
		update_site_config(key, "None" if value is None else value)
	update_site_config(KEPT, "None")


if __name__ == "__main__":
	print(json.dumps(main(sys.argv[1], sys.argv[2], json.load(sys.stdin))))
