import frappe
from frappe import _
from frappe.model.document import Document
from frappe.utils import cint

from ai_assistant.config import forms
from ai_assistant.config.sections import MODES
from ai_assistant.config.webhook import is_address, signing_key
from ai_assistant.doctypes import is_number, refuse
from ai_assistant.tools.tool import NAME as TOOL_NAME

from ..ai_mode.ai_mode import AIMode
from ..ai_webhook.ai_webhook import AIWebhook
from ..ai_mode_tool.ai_mode_tool import AIModeTool

# The smallest and the largest value of each field.
BOUNDS = {
	"first_token_s": (1, 3600),
	"thinking_idle_s": (1, 3600),
	"idle_s": (1, 3600),
	"total_s": (1, 3600),
	"total_background_s": (1, 86_400),
	"hedge_s": (0, 3600),
	"max_delay_ms": (100, 1000),
	"max_messages": (1, 10_000),
	"max_chars": (0, 100_000_000),
	"max_tokens": (1, 10_000_000),
	"max_answer_chars": (1, 100_000_000),
	"requests_per_minute": (1, 100_000),
	"continuations_per_minute": (1, 100_000),
	"concurrent_per_user": (1, 10_000),
	"concurrent_per_site": (1, 100_000),
	"web_percent": (1, 100),
	"web_threads": (0, 10_000),
	"event_failures_percent": (1, 100),
	"delivery_ms": (1, 60_000),
	"first_event_ms": (1, 60_000),
	"provider_failures_percent": (1, 100),
	"cached_percent": (0, 100),
}


class AIAssistantSettings(Document):
	"""The configuration of the site. A section under `ai_assistant` in site_config.json replaces the section here."""

	# begin: auto-generated types
	# This code is auto-generated. Do not modify anything in this block.

	from typing import TYPE_CHECKING

	if TYPE_CHECKING:
		from ..ai_mode.ai_mode import AIMode
		from ..ai_webhook.ai_webhook import AIWebhook
		from ..ai_mode_tool.ai_mode_tool import AIModeTool
		from frappe.types import DF

		alert_by_email: DF.Check
		cached_percent: DF.Int
		concurrent_per_site: DF.Int
		concurrent_per_user: DF.Int
		continuations_per_minute: DF.Int
		default_provider: DF.Link | None
		delivery_ms: DF.Int
		event_failures_percent: DF.Int
		first_event_ms: DF.Int
		first_token_s: DF.Int
		hedge_s: DF.Int
		idle_s: DF.Int
		keep_content: DF.Check
		keep_questions: DF.Check
		max_answer_chars: DF.Int
		max_chars: DF.Int
		max_delay_ms: DF.Int
		max_messages: DF.Int
		max_tokens: DF.Int
		modes: DF.Table[AIMode]
		provider_failures_percent: DF.Int
		realtime_enabled: DF.Check
		requests_per_minute: DF.Int
		site_cost_per_day: DF.Float
		site_cost_per_month: DF.Float
		site_tokens_per_day: DF.Int
		site_tokens_per_month: DF.Int
		thinking_idle_s: DF.Int
		tools: DF.Table[AIModeTool]
		total_background_s: DF.Int
		total_s: DF.Int
		user_cost_per_day: DF.Float
		user_cost_per_month: DF.Float
		user_tokens_per_day: DF.Int
		user_tokens_per_month: DF.Int
		web_percent: DF.Int
		web_threads: DF.Int
		webhooks: DF.Table[AIWebhook]
	# end: auto-generated types

	def validate(self) -> None:
		for field, (low, high) in BOUNDS.items():
			if not low <= cint(self.get(field)) <= high:
				refuse(
					_("{0} accepts a whole number from {1} to {2}."), _(self.meta.get_label(field)), low, high
				)
		if self.default_provider and not frappe.db.get_value("AI Provider", self.default_provider, "enabled"):
			refuse(
				_("Default Provider accepts an enabled provider; {0} is disabled."),
				frappe.bold(self.default_provider),
			)
		names: set[str] = set()
		for row in self.modes:
			_check_mode(row)
			if row.mode in names:
				refuse(
					_("Modes, row {0}: {1} is there already; give each mode a name of its own."),
					row.idx,
					frappe.bold(row.mode),
				)
			names.add(row.mode)
		for row in self.tools:
			_check_tool(row, names | {mode.name for mode in MODES})
		urls: set[str] = set()
		for webhook in self.webhooks:
			_check_webhook(webhook)
			if webhook.url in urls:
				refuse(_("Webhooks names {0} twice; name each address once."), frappe.bold(webhook.url))
			urls.add(webhook.url)

	def on_update(self) -> None:
		forms.delete_passwords_of_removed_rows(self, "webhooks")


def _check_webhook(row: AIWebhook) -> None:
	row.url, row.secret = (row.url or "").strip(), (row.secret or "").strip() or None
	if not is_address(row.url):
		refuse(
			_(
				"Webhooks, row {0}: URL accepts an address that begins with http:// or https://, without a user and a fragment (#)."
			),
			row.idx,
		)
	if not row.secret or (not row.is_dummy_password(row.secret) and signing_key(row.secret) is None):
		refuse(_("Webhooks, row {0}: Secret accepts a text; after whsec_ the rest is base64."), row.idx)


def _check_mode(row: AIMode) -> None:
	for field in ("mode", "model", "temperature"):
		row.set(field, str(row.get(field) if row.get(field) is not None else "").strip() or None)
	if not row.mode:
		refuse(_("Modes, row {0}: Mode accepts a name."), row.idx)
	if row.temperature is not None and not is_number(row.temperature, 2):
		refuse(_("Modes, row {0}: Temperature accepts a number from 0 to 2, or nothing."), row.idx)
	if row.provider and row.model:
		allowed = frappe.get_all("AI Provider Model", filters={"parent": row.provider}, pluck="model")
		if row.model not in allowed and "*" not in allowed:
			refuse(
				_("Modes, row {0}: {1} is no model of {2}; accepted: {3}."),
				row.idx,
				frappe.bold(row.model),
				frappe.bold(row.provider),
				", ".join(allowed),
			)


def _check_tool(row: AIModeTool, modes: set[str]) -> None:
	row.mode, row.tool = (row.mode or "").strip(), (row.tool or "").strip()
	if row.mode not in modes:
		refuse(_("Tools of the Site, row {0}: Mode accepts one of {1}."), row.idx, ", ".join(sorted(modes)))
	# Apps and servers may come and go, so a name that is not known yet is only reported by the doctor.
	if not TOOL_NAME.fullmatch(row.tool):
		refuse(
			_("Tools of the Site, row {0}: Tool accepts 1 to 64 characters of A-Z, a-z, 0-9, _ and -."),
			row.idx,
		)
