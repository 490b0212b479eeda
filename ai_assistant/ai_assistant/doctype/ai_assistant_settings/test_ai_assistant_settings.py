"""What the site is configured to do, as the next request sees it."""

from typing import Any
from unittest.mock import patch

import frappe

from ai_assistant.bench_tests import TestCase, provider
from ai_assistant.config import sections, settings
from ai_assistant.chat.errors import ChatError
from ai_assistant.chat.request import validate
from ai_assistant.config import forms

test_ignore = IGNORE_TEST_RECORD_DEPENDENCIES = ["User"]

HELLO = [{"role": "user", "content": "hello"}]


def load(**conf: Any) -> sections.Settings:
	"""As a request loads it, with this under `ai_assistant` in site_config.json."""
	with patch.dict(frappe.local.conf, {settings.CONF_KEY: conf}):
		return settings.load()


class TestAIAssistantSettings(TestCase):
	def setUp(self) -> None:
		frappe.set_user("Administrator")
		frappe.db.delete("Singles", {"doctype": "AI Assistant Settings"})
		frappe.db.delete("AI Mode")
		frappe.db.delete("AI Webhook")
		for name in frappe.get_all("AI Provider", pluck="name"):
			frappe.delete_doc("AI Provider", name, force=True)
		self.addCleanup(frappe.db.rollback)

	def save(self, **values: Any) -> Any:
		doc = frappe.get_single("AI Assistant Settings")
		doc.update(values)
		return doc.save()

	def refused(self, sentence: str, **values: Any) -> None:
		with self.assertRaisesRegex(frappe.ValidationError, sentence):
			self.save(**values)

	def test_without_being_touched_it_is_as_the_app_ships(self) -> None:
		self.assertEqual(load(), sections.Settings(modes={mode.name: mode for mode in sections.MODES}))
		self.save()
		self.assertEqual(load(), sections.Settings(modes={mode.name: mode for mode in sections.MODES}))

	def test_a_webhook_is_used_and_its_secret_cannot_be_read_back(self) -> None:
		row = {"url": " https://example.com/hook ", "secret": "whsec_c2VjcmV0"}
		doc = self.save(webhooks=[row])
		used = sections.Webhook("https://example.com/hook", "whsec_c2VjcmV0")
		self.assertEqual(load().webhooks, (used,))
		doc.reload()
		self.assertNotIn("c2VjcmV0", str(doc.as_dict()))
		with self.assertRaises(frappe.PermissionError):
			doc.webhooks[0].get_password("secret")
		# Another save keeps the secret, and the secret goes with its row.
		name = doc.webhooks[0].name
		self.assertEqual(self.save().webhooks[0].name, name)
		self.assertEqual(load().webhooks, (used,))
		self.save(webhooks=[])
		self.assertEqual(load().webhooks, ())
		stored = frappe.db.sql("select 1 from __Auth where doctype = 'AI Webhook' and name = %s", name)
		self.assertEqual(stored, ())

	def test_a_wrong_webhook_is_refused(self) -> None:
		right = {"url": "https://example.com", "secret": "s"}
		for sentence, rows in (
			("row 1: URL accepts", [{**right, "url": "ftp://example.com"}]),
			("row 1: Secret accepts", [{**right, "secret": ""}]),
			("row 1: Secret accepts", [{**right, "secret": "whsec_*"}]),
			("names .*https://example.com.* twice", [right, right]),
		):
			self.refused(sentence, webhooks=rows)

	def test_a_change_counts_from_the_next_request_on(self) -> None:
		provider("p", extra='{"top_p": 0.5}', api_base="http://127.0.0.1:9/v1", priority=3).insert()
		self.save(
			first_token_s=5,
			thinking_idle_s=16,
			idle_s=6,
			total_s=7,
			total_background_s=700,
			hedge_s=25,
			realtime_enabled=0,
			max_delay_ms=200,
			max_messages=8,
			max_chars=9,
			max_tokens=10,
			max_answer_chars=15,
			requests_per_minute=11,
			continuations_per_minute=24,
			concurrent_per_user=12,
			concurrent_per_site=13,
			web_percent=14,
			user_tokens_per_day=16,
			user_tokens_per_month=17,
			user_cost_per_day=0.18,
			user_cost_per_month=0.19,
			site_tokens_per_day=20,
			site_tokens_per_month=3_000_000_000,
			site_cost_per_day=0.22,
			site_cost_per_month=0.23,
			keep_content=0,
			event_failures_percent=17,
			delivery_ms=18,
			first_event_ms=19,
			provider_failures_percent=20,
			cached_percent=21,
			alert_by_email=1,
			modes=[
				{
					"mode": "poet",
					"system_prompt": "<verse>",
					"temperature": "0",
					"provider": "p",
					"model": "m",
				}
			],
		)
		loaded = load()
		self.assertEqual(
			(loaded.timeouts.first_token_s, loaded.timeouts.idle_s, loaded.timeouts.total_s), (5, 6, 7)
		)
		self.assertEqual(loaded.timeouts.thinking_idle_s, 16)
		self.assertEqual(loaded.timeouts.total_background_s, 700)
		self.assertEqual(loaded.failover, sections.Failover(hedge_s=25))
		self.assertEqual((loaded.realtime.enabled, loaded.realtime.max_delay_ms), (False, 200))
		self.assertEqual(loaded.limits, sections.Limits(8, 9, 10, 15, 11, 24, 12, 13, 14))
		self.assertEqual(loaded.budgets, sections.Budgets(16, 17, 0.18, 0.19, 20, 3_000_000_000, 0.22, 0.23))
		self.assertFalse(loaded.retention.keep_content)
		self.assertEqual(loaded.alerts, sections.Alerts(17, 18, 19, 20, True, 21))
		self.assertEqual(loaded.modes["poet"], sections.Mode("poet", "<verse>", "p", "m", 0.0, None))
		(only,) = loaded.providers
		self.assertEqual(
			(only.name, only.models, only.priority, only.extra), ("p", ("m",), 3, {"top_p": 0.5})
		)
		self.save(realtime_enabled=1)
		self.assertTrue(load().realtime.enabled)

	def test_a_chat_ends_before_the_benchs_web_server_does(self) -> None:
		self.save(total_s=3000)
		with patch.dict(frappe.local.conf, {"http_timeout": 200}):
			self.assertEqual(load().timeouts.total_s, 190)
		with patch.dict(frappe.local.conf):
			frappe.local.conf.pop("http_timeout", None)
			self.assertEqual(load().timeouts.total_s, 110)

	def test_a_section_of_the_sites_file_wins(self) -> None:
		provider("p").insert()
		self.save(max_tokens=10, max_delay_ms=200)
		loaded = load(providers=[], limits={"max_tokens": 5})
		self.assertEqual(
			(loaded.providers, loaded.limits.max_tokens, loaded.realtime.max_delay_ms), ((), 5, 200)
		)

	def test_disabled_providers_are_not_offered_and_the_default_is_asked_first(self) -> None:
		provider("a", priority=1).insert()
		provider("b", priority=2, default_model="n").insert()
		off = provider("c", priority=3).insert()
		self.save(default_provider="b")
		off.enabled = 0
		off.save()
		loaded = load()
		self.assertEqual([offered.name for offered in loaded.providers], ["a", "b"])

		def provider_of(**fields: Any) -> str | None:
			return validate({"messages": HELLO, **fields}, loaded).provider

		self.assertEqual(provider_of(), "b")
		self.assertEqual(provider_of(provider="a"), "a")
		# The default does not have it.
		self.assertEqual(provider_of(model="m"), None)
		with self.assertRaisesRegex(ChatError, "provider accepts one of: a, b"):
			provider_of(provider="c")
		default = frappe.get_doc("AI Provider", "b")
		default.enabled = 0
		default.save()
		self.assertEqual(load().default.name, "a")  # type: ignore[union-attr]

	def test_what_cannot_work_is_refused_in_one_sentence(self) -> None:
		provider("p", enabled=0).insert()
		self.refused(
			"Default Provider accepts an enabled provider; <strong>p</strong> is disabled",
			default_provider="p",
		)
		self.refused("Could not find .*Default Provider: nobody", default_provider="nobody")
		self.refused(r"Total \(seconds\) accepts a whole number from 1 to 3600", total_s=0)
		self.refused("Longest Delay .* accepts a whole number from 100 to 1000", max_delay_ms=1001)
		self.refused("Tokens accepts a whole number from 1", max_tokens=-1)
		with self.assertRaises(frappe.NonNegativeError):
			self.save(site_cost_per_month=-1)
		self.refused("Requests a Minute accepts a whole number from 1", requests_per_minute=0)
		self.refused(r"Share of Web Threads \(%\) accepts a whole number from 1 to 100", web_percent=101)
		self.refused(
			r"Failures of a Provider \(%\) accepts a whole number from 1", provider_failures_percent=0
		)
		self.refused("row 2: <strong>x</strong> is there already", modes=[{"mode": "x"}, {"mode": "x "}])
		self.refused("row 1: Mode accepts a name", modes=[{"mode": " "}])
		for temperature in ("warm", "2.1", "-1", "nan"):
			self.refused(
				"row 1: Temperature accepts a number from 0 to 2",
				modes=[{"mode": "x", "temperature": temperature}],
			)
		self.refused(
			"row 1: <strong>n</strong> is no model of <strong>p</strong>; accepted: m",
			modes=[{"mode": "x", "provider": "p", "model": "n"}],
		)
		self.refused("Reasoning Effort", modes=[{"mode": "x", "reasoning_effort": "extreme"}])

	def test_a_provider_that_cannot_be_used_is_named_and_the_others_go_on(self) -> None:
		for n, name in enumerate(("keyless", "locked", "torn", "well"), start=1):
			provider(name, priority=n).insert()
		frappe.db.sql("delete from `__Auth` where doctype = 'AI Provider' and name = 'keyless'")
		frappe.db.sql(
			"update `__Auth` set password = 'of another key' where doctype = 'AI Provider' and name = 'locked'"
		)
		frappe.db.sql(
			"update `tabAI Provider Model` set input_price = 'x', output_price = '1' where parent = 'torn'"
		)
		loaded = load()
		self.assertEqual([usable.name for usable in loaded.providers], ["well"])
		self.assertEqual(
			[name for name, _reason in loaded.set_aside],
			["keyless", "locked", "torn"],
		)
		self.assertEqual(loaded.why_not("keyless"), "api_key accepts a string that is not empty.")
		self.assertEqual(loaded.why_not("locked"), "The key of locked cannot be decrypted; enter it again.")
		form = frappe.get_doc("AI Provider", "locked")
		form.run_method("onload")
		self.assertEqual(form.get_onload("set_aside"), loaded.why_not("locked"))

	def test_it_costs_few_queries(self) -> None:
		provider("p").insert()
		load()
		with self.assertQueryCount(10):
			forms.read()
