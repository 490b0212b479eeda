"""What the app leaves on a site when it comes, keeps there, and takes away again. Every step can be repeated."""

import frappe

from ai_assistant.ai_assistant.doctype.ai_request import ai_request
from ai_assistant.ai_assistant.doctype.ai_request_event import ai_request_event
from ai_assistant.ai_assistant.doctype.ai_usage import ai_usage
from ai_assistant.chat.settings import MODES
from ai_assistant.permissions import USER

APP, MODULE = "ai_assistant", "AI Assistant"
# These live on without the DocType or role that one of their fields names.
OUTLIVES = ("Email Account", "IMAP Folder", "User Type")


def after_install() -> None:
	"""The role, and a settings row with the two modes; what is there already is left alone."""
	_make_role()
	_make_settings()


def after_migrate() -> None:
	"""The same, and what an administrator, a restored backup or a later Frappe may have undone."""
	after_install()
	ai_request.on_doctype_update()
	ai_request_event.on_doctype_update()
	ai_usage.on_doctype_update()


def before_uninstall() -> None:
	"""Deletes what names our DocTypes or our role, in whatever table of whatever app.

	Frappe itself deletes the DocTypes, their tables, and what names the module (frappe/installer.py,
	`remove_app`); not the values of a Single, the passwords, the role, nor what others keep about these.
	It calls this on a dry run too, which is not committed.
	"""
	doctypes = frappe.get_all("DocType", filters={"module": MODULE}, pluck="name")
	workspaces = frappe.get_all("Workspace", filters={"module": MODULE}, pluck="name")
	if doctypes:
		_delete_what_links_to("DocType", doctypes)
		for field in frappe.get_all("Custom Field", filters={"options": ("in", doctypes)}, pluck="name"):
			_delete("Custom Field", field)
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
	_delete_what_links_to("Role", [USER])
	_delete("Role", USER)


def after_uninstall() -> None:
	"""Deletes the copies that Frappe has kept of the DocTypes and the module, and whatever was in it."""
	if APP in frappe.get_installed_apps():
		# A dry run: there are none.
		return
	for mention in (f'%"module": "{MODULE}"%', f'%"app_name": "{APP}"%', f'%"method": "{APP}.%'):
		frappe.db.delete("Deleted Document", {"data": ("like", mention)})
	# Frappe ends here without one.
	frappe.db.commit()


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


def _delete_what_links_to(kind: str, names: list[str]) -> None:
	links = frappe.get_all(
		"DocField", filters={"fieldtype": "Link", "options": kind}, fields=["parent", "fieldname"]
	)
	for link in links:
		doctype, field = link.parent, link.fieldname
		meta = frappe.get_meta(doctype)
		if meta.issingle:
			frappe.db.delete("Singles", {"doctype": doctype, "field": field, "value": ("in", names)})
		elif meta.is_virtual or not frappe.db.table_exists(doctype):
			continue
		elif doctype in OUTLIVES:
			frappe.db.set_value(doctype, {field: ("in", names)}, field, None)
		elif meta.istable:
			frappe.db.delete(doctype, {field: ("in", names)})
		else:
			for name in frappe.get_all(doctype, filters={field: ("in", names)}, pluck="name"):
				_delete(doctype, name)


def _delete(doctype: str, name: str) -> None:
	frappe.delete_doc(
		doctype, name, force=True, ignore_permissions=True, ignore_on_trash=True, delete_permanently=True
	)
