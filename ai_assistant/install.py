"""What the app leaves on a site when it comes, keeps there, and takes away again. Every step can be repeated."""

import json
from collections.abc import Iterator
from pathlib import Path

import frappe
from frappe import _

from ai_assistant.ai_assistant.doctype.ai_request import ai_request
from ai_assistant.ai_assistant.doctype.ai_request_event import ai_request_event
from ai_assistant.ai_assistant.doctype.ai_usage import ai_usage
from ai_assistant.config.forms import know_encryption_key
from ai_assistant.config.settings import MODES
from ai_assistant.operations import canary_user
from ai_assistant.permissions import MANAGER, USER

APP, MODULE = "ai_assistant", "AI Assistant"
FIRST_STEPS = "AI Assistant First Steps"
# What Frappe keeps about a document in tables of its own, by the field that names the document's DocType.
RECORDS = {
	"Comment": "reference_doctype",
	"Document Follow": "ref_doctype",
	"DocShare": "share_doctype",
	"Logs To Clear": "ref_doctype",
	"Notification Log": "document_type",
	"Tag Link": "document_type",
	"Version": "ref_doctype",
	"View Log": "reference_doctype",
}


def before_install() -> None:
	"""Raises ValidationError on PostgreSQL: the store's SQL is MariaDB's (ai_assistant/store/frappe_store.py)."""
	if frappe.conf.db_type == "postgres":
		frappe.throw(_("AI Assistant needs a site on MariaDB; this one is on PostgreSQL."))


def after_install() -> None:
	"""The role, a settings row with the two modes, the key that encrypts, and the user of the canary.

	What is there already is left alone; the canary's user gets a new API secret.
	"""
	_make_role()
	_make_settings()
	_make_first_steps()
	know_encryption_key()
	canary_user.create()


def after_migrate() -> None:
	"""The same, and what an administrator, a restored backup or a later Frappe may have undone."""
	after_install()
	ai_request.on_doctype_update()
	ai_request_event.on_doctype_update()
	ai_usage.on_doctype_update()


def before_uninstall() -> None:
	"""Deletes what Frappe leaves of us: records about our documents, our settings, passwords, jobs and role.

	Frappe itself deletes the DocTypes with their tables, Custom Fields, Property Setters, Client Scripts and Reports,
	and what names our module (frappe/installer.py `remove_app`, frappe/model/delete_doc.py). A document of somebody else
	that names one of our DocTypes or our role stays as it is, as after any app's uninstall: what empties a link to a
	role may widen who is allowed. Frappe calls this on a dry run too, which is not committed.
	"""
	doctypes = frappe.get_all("DocType", filters={"module": MODULE}, pluck="name")
	workspaces = frappe.get_all("Workspace", filters={"module": MODULE}, pluck="name")
	if doctypes:
		for doctype, field in RECORDS.items():
			frappe.db.delete(doctype, {field: ("in", doctypes)})
		frappe.db.delete("Singles", {"doctype": ("in", doctypes)})
		frappe.db.delete("DefaultValue", {"defkey": ("in", doctypes)})
		frappe.db.delete("Deleted Document", {"deleted_doctype": ("in", doctypes)})
		for table in ("__Auth", "__UserSettings", "__global_search"):
			frappe.db.delete(table, {"doctype": ("in", doctypes)})
	jobs = frappe.get_all("Scheduled Job Type", filters={"method": ("like", f"{APP}.%")}, pluck="name")
	if jobs:
		frappe.db.delete("Scheduled Job Log", {"scheduled_job_type": ("in", jobs)})
		frappe.db.delete("Scheduled Job Type", {"name": ("in", jobs)})
	if workspaces:
		frappe.db.set_value("User", {"default_workspace": ("in", workspaces)}, "default_workspace", None)
	frappe.db.set_value("User", {"default_app": APP}, "default_app", None)
	frappe.db.delete("Singles", {"field": "default_app", "value": APP})
	for grant in ("Has Role", "DocPerm", "Custom DocPerm"):
		frappe.db.delete(grant, {"role": USER})
	_delete("Role", USER)
	_delete("User", canary_user.USER)
	_delete("Custom HTML Block", FIRST_STEPS)
	leave_desktop()


def leave_desktop() -> None:
	"""Deletes our icon on Frappe 16's desktop, and our sidebar with its items and whoever's changes to it.

	Past the documents, which on a developer's bench delete the app's own files with them.
	"""
	frappe.db.delete("Desktop Icon", {"app": APP})
	# Frappe 15 has none.
	if not frappe.db.table_exists("Workspace Sidebar"):
		return
	for field, ours in (("app", APP), ("module", MODULE)):
		sidebars = frappe.get_all("Workspace Sidebar", filters={field: ours}, pluck="name")
		if sidebars:
			frappe.db.delete("Workspace Sidebar Item", {"parent": ("in", sidebars)})
			frappe.db.delete("Workspace Sidebar", {"name": ("in", sidebars)})


def after_uninstall() -> None:
	"""Deletes the copies that Frappe has kept of what the app shipped, and of nothing else."""
	if APP in frappe.get_installed_apps():
		# A dry run: there are none.
		return
	for doctype, name in shipped():
		frappe.db.delete("Deleted Document", {"deleted_doctype": doctype, "deleted_name": name})
	# Frappe ends here without a commit.
	frappe.db.commit()  # nosemgrep: frappe-manual-commit


def shipped() -> Iterator[tuple[str, str]]:
	"""The DocType and the name of each document that the app's files bring: DocTypes, reports, charts and the module."""
	yield "Module Def", MODULE
	for file in Path(frappe.get_app_path(APP)).glob("**/*.json"):
		document = json.loads(file.read_text())
		if isinstance(document, dict) and {"doctype", "name"} <= document.keys():
			yield document["doctype"], document["name"]


def _make_role() -> None:
	if not frappe.db.exists("Role", USER):
		role = frappe.get_doc({"doctype": "Role", "role_name": USER, "desk_access": 1})
		role.insert(ignore_permissions=True)


def _make_settings() -> None:
	settings = frappe.get_single("AI Assistant Settings")
	there = {row.mode for row in settings.modes}
	missing = [mode for mode in MODES if mode.name not in there]
	for mode in missing:
		settings.append(
			"modes",
			{
				"mode": mode.name,
				"system_prompt": mode.system_prompt,
				"reasoning_effort": mode.reasoning_effort,
			},
		)
	# A Single does not get the defaults of fields that an update brings.
	new = [field for field in settings.meta.fields if field.default and settings.get(field.fieldname) is None]
	for field in new:
		settings.set(field.fieldname, field.default)
	if missing or new:
		settings.save(ignore_permissions=True)


def _make_first_steps() -> None:
	"""The block on the workspace, as it ships: Frappe reads no such document from an app's files."""
	script = Path(frappe.get_app_path(APP, MODULE, "workspace", MODULE, "first_steps.js")).read_text()
	if frappe.db.exists("Custom HTML Block", FIRST_STEPS):
		frappe.db.set_value("Custom HTML Block", FIRST_STEPS, "script", script)
		return
	block = frappe.new_doc("Custom HTML Block", html='<div class="steps"></div>', script=script)
	block.name = FIRST_STEPS
	block.append("roles", {"role": MANAGER})
	block.insert(ignore_permissions=True)


def _delete(doctype: str, name: str) -> None:
	frappe.delete_doc(
		doctype, name, force=True, ignore_permissions=True, ignore_on_trash=True, delete_permanently=True
	)
