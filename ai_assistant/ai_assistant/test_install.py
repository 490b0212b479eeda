"""What installing leaves, and that uninstalling takes all of it away."""

import unittest
from unittest.mock import patch

import frappe

from ai_assistant import install
from ai_assistant.bench_tests import FRAPPE, TestCase, delete_user, make_user, provider
from ai_assistant.config import forms
from ai_assistant.config.sections import MODES
from ai_assistant.permissions import MANAGER, USER


class TestInstall(TestCase):
	def setUp(self) -> None:
		frappe.set_user("Administrator")
		self.addCleanup(self._undo)

	def _undo(self) -> None:
		frappe.db.rollback()
		frappe.clear_cache()

	def test_installing_makes_the_role_and_the_modes_and_can_be_repeated(self) -> None:
		for _time in range(2):
			install.after_install()
			install.after_migrate()
		self.assertTrue(frappe.db.get_value("Role", USER, "desk_access"))
		modes = frappe.get_single("AI Assistant Settings").modes
		self.assertEqual(
			[(row.mode, row.system_prompt) for row in modes if row.mode in ("chat", "agent")],
			[(mode.name, mode.system_prompt) for mode in MODES],
		)

	def test_the_workspace_has_its_first_steps_and_uninstalling_takes_them_away(self) -> None:
		(row,) = frappe.get_doc("Workspace", install.MODULE).custom_blocks
		frappe.db.set_value("Custom HTML Block", row.custom_block_name, "script", "old")
		install.after_migrate()
		block = frappe.get_doc("Custom HTML Block", row.custom_block_name)
		self.assertIn("AI Provider", block.script)
		self.assertEqual([role.role for role in block.roles], ["System Manager"])
		install.before_uninstall()
		self.assertFalse(frappe.db.exists("Custom HTML Block", row.custom_block_name))

	def test_nothing_on_the_workspace_is_red_by_itself(self) -> None:
		cards = frappe.get_all("Number Card", filters={"module": install.MODULE}, fields=["name", "color"])
		self.assertGreaterEqual(len(cards), 7)
		self.assertEqual({card.color for card in cards}, {None})

	def test_a_mode_that_was_changed_is_left_as_it_is(self) -> None:
		install.after_install()
		settings = frappe.get_single("AI Assistant Settings")
		for row in settings.modes:
			row.system_prompt = "Ours."
		settings.save()
		install.after_install()
		prompts = {row.system_prompt for row in frappe.get_single("AI Assistant Settings").modes}
		self.assertEqual(prompts, {"Ours."})

	def test_a_site_that_is_upgraded_gets_the_defaults_of_new_settings(self) -> None:
		install.after_install()
		new = {
			"requests_per_minute": 20,
			"continuations_per_minute": 120,
			"concurrent_per_user": 4,
			"concurrent_per_site": 64,
			"web_percent": 50,
			"thinking_idle_s": 120,
			"max_answer_chars": 1_000_000,
			"event_failures_percent": 1,
			"delivery_ms": 1000,
			"first_event_ms": 500,
			"provider_failures_percent": 50,
		}
		for field in new:
			frappe.db.delete("Singles", {"doctype": "AI Assistant Settings", "field": field})
		frappe.db.set_single_value("AI Assistant Settings", "max_tokens", 7)
		frappe.clear_document_cache("AI Assistant Settings", "AI Assistant Settings")
		install.after_migrate()
		settings_doc = frappe.get_single("AI Assistant Settings")
		self.assertEqual({field: settings_doc.get(field) for field in new}, new)
		self.assertEqual(settings_doc.max_tokens, 7)

	def test_every_doctype_is_one_that_frappe_would_save(self) -> None:
		for name in frappe.get_all("DocType", filters={"module": install.MODULE}, pluck="name"):
			with self.subTest(name):
				# Frappe reads the JSON on migrate without this check, and makes it when the DocType is saved in Desk.
				frappe.get_doc("DocType", name).validate()

	def test_the_job_of_each_minute_keeps_no_log(self) -> None:
		job = frappe.get_doc("Scheduled Job Type", {"method": "ai_assistant.operations.scheduled.run"})
		job.save()
		self.assertEqual(job.create_log, 0)
		# Frappe 16 forces the log on jobs of neither frequency.
		other = frappe.get_last_doc(
			"Scheduled Job Type", {"method": ("like", "frappe.%"), "frequency": ("not in", ("All", "Cron"))}
		)
		other.save()
		self.assertEqual(other.create_log, 1)

	def test_postgres_is_refused_before_anything_is_installed(self) -> None:
		with patch.dict(frappe.conf, db_type="postgres"), self.assertRaisesRegex(Exception, "MariaDB"):
			install.before_install()
		install.before_install()

	def test_uninstalling_leaves_what_others_have_made_as_it_was(self) -> None:
		todo = frappe.get_doc(
			{"doctype": "ToDo", "description": "x", "role": USER, "reference_type": "AI Provider"}
		)
		todo.db_insert()
		field = {"fieldname": "chat", "fieldtype": "Link", "options": "AI Request", "label": "Chat"}
		custom_field = frappe.get_doc({"doctype": "Custom Field", "dt": "ToDo", **field})
		custom_field.db_insert()
		mine = frappe.get_doc(
			{"doctype": "Deleted Document", "deleted_doctype": "Report", "deleted_name": "Chats"}
		)
		mine.data = frappe.as_json({"doctype": "Report", "name": "Chats", "module": install.MODULE})
		mine.db_insert()
		ours = frappe.get_doc(
			{"doctype": "Deleted Document", "deleted_doctype": "Report", "deleted_name": "AI Budgets"}
		)
		ours.db_insert()

		install.before_uninstall()
		with (
			patch.object(frappe, "get_installed_apps", return_value=["frappe"]),
			patch.object(frappe.db, "commit"),
		):
			install.after_uninstall()

		self.assertEqual(frappe.db.get_value("Custom Field", custom_field.name, "options"), "AI Request")
		self.assertTrue(frappe.db.exists("Deleted Document", mine.name))
		self.assertFalse(frappe.db.exists("Deleted Document", ours.name))
		self.assertEqual(frappe.db.get_value("ToDo", todo.name, "role"), USER)

	def test_the_key_that_encrypts_is_there_before_anything_is_encrypted(self) -> None:
		for step in (install.after_install, install.after_migrate):
			with patch.dict(frappe.local.conf), patch("frappe.installer.update_site_config") as written:
				frappe.local.conf.pop("encryption_key", None)
				with patch("frappe.get_site_config", return_value=frappe._dict()):
					step()
			self.assertEqual([call.args[0] for call in written.call_args_list], ["encryption_key"])

	def test_a_process_that_remembers_no_key_takes_the_one_that_is_there(self) -> None:
		provider("remembered", api_key="sk-remembered", priority=1000).insert()
		for step in (
			lambda: self.assertEqual(forms.provider("remembered")["api_key"], "sk-remembered"),
			provider("entered meanwhile", priority=1001).insert,
			install.after_install,
		):
			with patch.dict(frappe.local.conf), patch("frappe.installer.update_site_config") as written:
				key = frappe.local.conf.pop("encryption_key")
				step()
				self.assertEqual(frappe.local.conf.encryption_key, key)
			written.assert_not_called()

	@unittest.skipIf(FRAPPE < 16, "Frappe 15 has no desktop")
	def test_the_desktop_has_an_icon_whose_sidebar_leads_to_what_one_may_see(self) -> None:
		from frappe.boot import get_bootinfo

		mine = ["Home", "Chat", "Connect Your Editor", "AI Key", "AI Request", "AI Budgets"]
		for role, expected in (
			(USER, mine),
			(
				MANAGER,
				[
					*mine,
					"AI Alert",
					"AI Provider",
					"AI Provider Keys",
					"AI Model Alias",
					"AI Assistant Settings",
				],
			),
			("Report Manager", None),
		):
			user = make_user(f"{frappe.scrub(role)}@desktop.test", role)
			self.addCleanup(delete_user, user)
			with self.set_user(user):
				booted = get_bootinfo()
			with self.subTest(role):
				shown = [icon.link_type for icon in booted.desktop_icons if icon.label == "AI Assistant"]
				# Of an external one Frappe makes a new tab.
				self.assertEqual(shown, ["Workspace Sidebar"] if expected else [])
				if expected:
					items = booted.workspace_sidebar_item["ai assistant"]["items"]
					self.assertEqual([item["label"] for item in items], expected)
					self.assertEqual(items[1]["url"], "/ai-assistant")
					self.assertTrue(all(item["icon"] for item in items))

	@unittest.skipIf(FRAPPE < 16, "Frappe 15 has no desktop")
	def test_uninstalling_clears_the_desktop(self) -> None:
		def left() -> list[str]:
			ours = {
				"Desktop Icon": {"app": install.APP},
				"Workspace Sidebar": {"module": install.MODULE},
				"Workspace Sidebar Item": {"parent": ("like", "AI Assistant%")},
			}
			return [table for table, filters in ours.items() if frappe.get_all(table, filters=filters)]

		self.assertEqual(left(), ["Desktop Icon", "Workspace Sidebar", "Workspace Sidebar Item"])
		install.before_uninstall()
		self.assertEqual(left(), [])

	def test_uninstalling_leaves_nothing_behind_and_can_be_repeated(self) -> None:
		provider("to be uninstalled", priority=1000).insert()
		user = frappe.get_doc("User", "Administrator")
		user.append("roles", {"role": USER})
		user.save()
		frappe.get_doc(
			{"doctype": "Comment", "reference_doctype": "AI Provider", "reference_name": "x", "content": "x"}
		).db_insert()
		log_settings = frappe.get_doc("Log Settings")
		log_settings.register_doctype("AI Request", 3)
		log_settings.save()
		frappe.db.set_value("User", "Administrator", "default_app", install.APP)

		for _time in range(2):
			install.before_uninstall()

		doctypes = frappe.get_all("DocType", filters={"module": install.MODULE}, pluck="name")
		for table, field in (
			("Comment", "reference_doctype"),
			("Logs To Clear", "ref_doctype"),
			("Singles", "doctype"),
			("Version", "ref_doctype"),
			("__Auth", "doctype"),
		):
			left = frappe.db.sql(
				f"select 1 from `{table if table.startswith('__') else 'tab' + table}` where `{field}` in %s",
				(doctypes,),
			)
			self.assertFalse(left, table)
		for table in ("Has Role", "DocPerm", "Custom DocPerm"):
			self.assertFalse(frappe.db.get_all(table, filters={"role": USER}), table)
		self.assertFalse(frappe.db.exists("Role", USER))
		self.assertFalse(frappe.db.exists("Patch Log", {"patch": ("like", "ai_assistant.patches.%")}))
		self.assertFalse(frappe.db.get_value("User", "Administrator", "default_app"))
