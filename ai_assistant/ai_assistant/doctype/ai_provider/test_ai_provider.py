"""Providers: what is refused, that keys stay inside, and whether one answers."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import frappe
from frappe.utils.password import get_decrypted_password

from .ai_provider import test_connection as ask
from ai_assistant.bench_tests import TestCase, delete_user, make_user, provider, rest
from ai_assistant.config.provider import provider_of
from ai_assistant.gateway import Price, Tier
from ai_assistant.permissions import MANAGER, USER
from ai_assistant.config import forms

# Frappe would make its own test users for the DocTypes that ours link to.
test_ignore = IGNORE_TEST_RECORD_DEPENDENCIES = ["User"]
# The runner would take it for a test.
ask.__test__ = False

HELLO = b'data: {"choices": [{"index": 0, "delta": {"content": "hello"}, "finish_reason": null}]}\n\n'
END = b'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'


@contextmanager
def server(status: int) -> Iterator[tuple[str, list[str]]]:
	"""An OpenAI-compatible server that says hello or refuses; its URL, and the keys it was sent."""
	keys: list[str] = []

	class Handler(BaseHTTPRequestHandler):
		def do_POST(self) -> None:
			keys.append(self.headers["Authorization"])
			self.rfile.read(int(self.headers["Content-Length"]))
			body = HELLO + END if status == 200 else json.dumps({"error": {"message": keys[-1]}}).encode()
			self.send_response(status)
			self.send_header("Content-Type", "text/event-stream" if status == 200 else "application/json")
			self.send_header("Content-Length", str(len(body)))
			self.end_headers()
			self.wfile.write(body)

		def log_message(self, *arguments: Any) -> None:
			pass

	with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
		threading.Thread(target=running.serve_forever, daemon=True).start()
		yield f"http://127.0.0.1:{running.server_port}/v1", keys
		running.shutdown()


class TestAIProvider(TestCase):
	@classmethod
	def setUpClass(cls) -> None:
		super().setUpClass()
		# Here, as it commits: what setUp does is undone.
		cls.user, cls.chief = make_user("user@provider.test", USER), make_user("chief@provider.test", MANAGER)

	@classmethod
	def tearDownClass(cls) -> None:
		frappe.db.rollback()
		for user in (cls.user, cls.chief):
			delete_user(user)
		super().tearDownClass()

	def setUp(self) -> None:
		frappe.set_user("Administrator")
		for name in frappe.get_all("AI Provider", pluck="name"):
			frappe.delete_doc("AI Provider", name, force=True)
		self.addCleanup(frappe.db.rollback)
		self.addCleanup(frappe.set_user, "Administrator")

	def refused(self, sentence: str, **fields: Any) -> None:
		with self.assertRaisesRegex(frappe.ValidationError, sentence):
			provider("p", **fields).insert()

	def test_what_cannot_work_is_refused_in_one_sentence(self) -> None:
		self.refused("API Key is missing", api_key="")
		self.refused("API Key is missing", api_key="  ")
		for base in (
			"ftp://x",
			"127.0.0.1:8080",
			"http://",
			"https://a b",
			"http://[x",
			"javascript:alert(1)",
			"https://x/v1?version=1",
			"https://x/v1#top",
			"https://me:secret@x/v1",
		):
			self.refused("API Base accepts a URL that begins with http:// or https://", api_base=base)
		self.refused("API Key accepts no line end", api_key="sk-\u200bx")
		self.refused("Extra Parameters accepts 1 for n", extra={"n": 2})
		for extra in ("[1]", "3", '"x"', "{", "null", '{"top_p": }'):
			self.refused("Extra Parameters accepts a JSON object", extra=extra)
		self.refused("not <strong>api_key</strong>", extra='{"api_key": "x"}')
		self.refused("not <strong>base_url</strong>", extra={"base_url": "x"})
		self.refused("choose one of the Allowed Models: a, b", models=[{"model": "a"}, {"model": "b"}])
		self.refused("names <strong>m</strong> twice", models=[{"model": "m"}, {"model": " m"}])
		self.refused(
			"Default Model accepts the name of one model", default_model="*", models=[{"model": "*"}]
		)
		self.refused("Priority accepts a whole number from 1 to", priority=10_001)
		self.refused("Priority accepts a whole number from 1 to", priority=-1)

	def test_an_api_that_does_not_exist_is_refused_with_the_nearest(self) -> None:
		self.refused("API <strong>opnai</strong> is not known; .* openai", api="opnai")
		self.refused("API <strong>Anthropic</strong> is not known; .* anthropic", api="Anthropic")
		self.refused("API <strong>zzzzzz</strong> is not known; .* openai, anthropic, gemini", api="zzzzzz")
		self.refused("litellm/openai_responses", api="litellm/openai_responses")
		for api in ("openai", "openai_responses", "gemini", "litellm/openai"):
			provider(api.replace("/", "-"), api=api).insert()

	def test_the_known_apis_are_for_system_managers(self) -> None:
		path = f"/api/method/{ask.__module__}.known_apis"
		for user in (self.user, None):
			self.assertEqual(rest("GET", path, user)[0], 403)
		known_apis = rest("GET", path, self.chief)[1]["message"]
		self.assertLess({"openai", "openai_responses", "anthropic", "litellm/anthropic"}, set(known_apis))

	def test_two_enabled_providers_cannot_have_the_same_priority(self) -> None:
		provider("a", priority=1).insert()
		with self.assertRaisesRegex(frappe.ValidationError, "Priority 1 is taken by <strong>a</strong>"):
			provider("b", priority=1).insert()
		disabled = provider("c", priority=1, enabled=0).insert()
		disabled.enabled = 1
		with self.assertRaisesRegex(frappe.ValidationError, "Priority 1 is taken"):
			disabled.save()

	def test_providers_with_a_weight_share_a_priority(self) -> None:
		provider("a", priority=1, weight=2).insert()
		provider("b", priority=1, weight=1).insert()
		self.assertEqual(
			[(one["name"], one["weight"]) for one in forms.read()["providers"]], [("a", 2), ("b", 1)]
		)
		with self.assertRaisesRegex(frappe.ValidationError, "or both a weight"):
			provider("c", priority=1).insert()

	def test_several_keys_are_used_instead_of_one(self) -> None:
		keys = [
			{"label": " blue ", "api_key": "sk-blue-1", "weight": 2},
			{"label": "red", "api_key": "sk-red-1"},
			{"label": "old", "api_key": "sk-old-1", "enabled": 0},
		]
		document = provider("p", api_key="", api_keys=keys).insert()
		self.assertNotIn("sk-", str(frappe.db.sql("select * from `tabAI Provider Key`")))
		self.assertNotIn("sk-", json.dumps(document.as_dict(), default=str))
		loaded = provider_of(forms.provider("p"))
		self.assertEqual(
			[(key.label, key.api_key, key.weight) for key in loaded.keys],
			[("blue", "sk-blue-1", 2), ("red", "sk-red-1", 1)],
		)
		first, second, third = document.api_keys
		with self.assertRaises(frappe.PermissionError):
			first.get_password("api_key")
		document.remove(second)
		document.save()
		for row, is_stored in ((first, True), (second, False), (third, True)):
			stored = get_decrypted_password("AI Provider Key", row.name, "api_key", raise_exception=False)
			self.assertEqual(bool(stored), is_stored)
		self.assertEqual([key.label for key in provider_of(forms.provider("p")).keys], ["blue"])
		document.delete()
		self.assertFalse(frappe.db.exists("__Auth", {"doctype": "AI Provider Key", "name": first.name}))

	def test_a_wrong_row_of_keys_is_refused_in_one_sentence(self) -> None:
		good = {"label": "blue", "api_key": "sk-1"}
		self.refused("API Key is missing", api_key="", api_keys=[{**good, "enabled": 0}])
		self.refused("Keys, row 1: API Key accepts a key", api_keys=[{**good, "api_key": ""}])
		self.refused("Keys, row 1: API Key accepts a key", api_keys=[{**good, "api_key": "sk-\u200b"}])
		self.refused("Keys, row 1: Weight accepts a number above 0", api_keys=[{**good, "weight": 0}])
		self.refused("Keys names <strong>blue</strong> twice", api_keys=[good, {**good, "label": " blue"}])

	def test_no_stored_key_goes_to_another_server(self) -> None:
		document = provider("p", api_keys=[{"label": "blue", "api_key": "sk-1"}]).insert()
		document.reload()
		document.update({"api_base": "http://127.0.0.1:9/v1", "api_key": "sk-2"})
		with self.assertRaisesRegex(frappe.ValidationError, "Keys, row 1: enter the API Key again"):
			document.save()
		row = {"name": document.api_keys[0].name, "label": "mine", "api_key": "****"}
		other = provider("q", api_base="http://127.0.0.1:9/v1").insert()
		other.append("api_keys", row)
		with self.assertRaisesRegex(frappe.ValidationError, "Keys, row 1: enter the API Key again"):
			other.save()

	def test_one_without_a_priority_comes_last(self) -> None:
		provider("a", priority=7).insert()
		self.assertEqual(provider("b").insert().priority, 8)

	def test_without_allowed_models_the_default_alone_is_allowed(self) -> None:
		self.assertEqual([row.model for row in provider("p").insert().models], ["m"])
		self.assertEqual(forms.provider("p")["models"], ["m"])

	def test_prices_are_given_in_pairs_of_numbers_or_left_to_the_list(self) -> None:
		rows = [
			{"model": "m", "input_price": " 0.15 ", "output_price": "0"},
			{"model": "n"},
			{"model": "*", "input_price": 0, "output_price": 2.5},
		]
		provider("p", models=rows).insert()
		self.assertEqual(
			forms.provider("p")["prices"],
			{"m": {"input": 0.15, "output": 0.0}, "*": {"input": 0.0, "output": 2.5}},
		)
		self.assertEqual(provider_of(forms.provider("p")).price("n"), Price(0.0, 2.5))
		for prices in ({"input_price": "1"}, {"output_price": "0"}):
			self.refused("row 1: give both prices, or none", models=[{"model": "m", **prices}])
		for price in ("much", "-1", "nan", "inf", "1000001"):
			for pair in ((price, "1"), ("1", price)):
				fields = dict(zip(("input_price", "output_price"), pair, strict=True))
				self.refused(
					"row 1: a price is a number from 0 to 1000000", models=[{"model": "m", **fields}]
				)

	def test_prices_of_the_cache_and_tiers_go_along(self) -> None:
		both = {"model": "m", "input_price": "3", "output_price": "15"}
		tiers = [{"above_tokens": 200000, "input": 6}]
		cache = {"cache_read_price": "0.3", "cache_write_price": "3.75", "cache_write_1h_price": "6"}
		provider("p", models=[{**both, **cache, "price_tiers": json.dumps(tiers)}]).insert()
		self.assertEqual(
			provider_of(forms.provider("p")).price("m"),
			Price(3.0, 15.0, 0.3, 3.75, 6.0, tiers=(Tier(200000, input=6),)),
		)
		self.refused("row 1: the other prices need", models=[{"model": "m", "cache_read_price": "0.3"}])
		self.refused("row 1: a price is a number", models=[{**both, "cache_write_price": "much"}])
		for wrong in ("[5]", '{"input": 1}', "nonsense", '[{"above": 1}]'):
			self.refused("row 1", models=[{**both, "price_tiers": wrong}])

	def test_a_disabled_provider_may_be_unfinished(self) -> None:
		unfinished = provider("p", api_key=None, enabled=0).insert()
		unfinished.enabled = 1
		with self.assertRaisesRegex(frappe.ValidationError, "API Key is missing"):
			unfinished.save()

	def test_extra_parameters_may_be_an_object_or_its_text(self) -> None:
		for name, extra in (("a", {"top_p": 0.9}), ("b", '{"top_p": 0.9}')):
			provider(name, extra=extra).insert()
			self.assertEqual(forms.provider(name)["extra"], {"top_p": 0.9})
		self.assertEqual(forms.provider(provider("c", extra="").insert().name)["extra"], {})

	def test_nobody_reads_a_key_back(self) -> None:
		saved = provider("p", api_key=" sk-secret-1\n").insert()
		self.assertEqual(get_decrypted_password("AI Provider", "p", "api_key"), "sk-secret-1")
		loaded = frappe.get_doc("AI Provider", "p")
		self.assertEqual(set(loaded.api_key), {"*"})
		for shown in (saved.as_json(), loaded.as_json(), str(frappe.client.get("AI Provider", "p"))):
			self.assertNotIn("sk-secret-1", shown)
		with self.assertRaises(frappe.PermissionError):
			frappe.client.get_password("AI Provider", "p", "api_key")
		for row in frappe.get_all("Version", filters={"ref_doctype": "AI Provider"}, pluck="data"):
			self.assertNotIn("sk-secret-1", row)

	def test_a_key_is_not_sent_to_another_place_than_it_was_entered_for(self) -> None:
		saved = provider("p").insert()
		for field, value in (("api_base", "http://127.0.0.1:9/v1"), ("api", "anthropic")):
			moved = frappe.get_doc("AI Provider", "p")
			moved.set(field, value)
			with self.assertRaisesRegex(frappe.ValidationError, "Enter the API Key again"):
				moved.save()
		saved.reload()
		saved.update({"api_base": "http://127.0.0.1:9/v1", "api_key": "sk-new"})
		saved.save()
		self.assertEqual(forms.provider("p")["api_key"], "sk-new")
		saved.default_model = "other"
		saved.models = []
		saved.save()
		self.assertEqual(forms.provider("p")["api_key"], "sk-new")

	def test_a_key_of_another_encryption_key_is_told_from_none(self) -> None:
		provider("p").insert()
		frappe.db.sql("update `__Auth` set password = 'gAAAAA' where doctype = 'AI Provider' and name = 'p'")
		messages = len(frappe.local.message_log)
		self.assertIs(forms.provider("p")["api_key"], forms.UNREADABLE)
		self.assertEqual(len(frappe.local.message_log), messages)
		self.assertEqual(ask("p")["message"], "The key of p cannot be decrypted; enter it again.")

	def test_a_renamed_provider_keeps_its_key(self) -> None:
		provider("p", api_key="sk-kept").insert()
		frappe.rename_doc("AI Provider", "p", "q", force=True)
		self.assertEqual(forms.provider("q")["api_key"], "sk-kept")

	def test_a_connection_is_tested_with_one_short_answer(self) -> None:
		with server(200) as (url, keys):
			provider("p", api_base=url, api_key="sk-sent", enabled=0).insert()
			tested = ask("p")
		self.assertTrue(tested["success"], tested)
		self.assertGreaterEqual(tested["first_chunk_ms"], 0)
		self.assertIn(f"{tested['first_chunk_ms']} ms", tested["message"])
		self.assertEqual(keys, ["Bearer sk-sent"])

	def test_a_connection_that_fails_says_why_in_one_sentence(self) -> None:
		with server(401) as (url, keys):
			provider("p", api_base=url, api_key="sk-wrong").insert()
			refused = ask("p")
		self.assertEqual((refused["success"], refused["first_chunk_ms"]), (False, None))
		self.assertRegex(refused["message"], r"^p refused .*\.$")
		provider("q", api_base="http://127.0.0.1:9/v1").insert()
		self.assertRegex(ask("q")["message"], r"^q could not be reached.*\.$")
		self.assertNotIn("sk-", refused["message"] + "".join(keys[1:]))

	def test_connections_are_for_system_managers(self) -> None:
		path = f"/api/method/{ask.__module__}.test_connection"
		for user, expected in ((self.user, 403), (None, 403), (self.chief, 404)):
			self.assertEqual(rest("POST", path, user, provider="nobody")[0], expected)

	def test_only_system_managers_see_providers(self) -> None:
		meta = frappe.get_meta("AI Provider")
		self.assertEqual({permission.role for permission in meta.permissions}, {MANAGER})
		self.assertNotIn(USER, {row.role for row in frappe.get_meta("AI Assistant Settings").permissions})
