import difflib
import json
from typing import Any

import frappe
from frappe import _
from frappe.utils import cint, flt
from frappe.utils.password import delete_all_passwords_for

from ai_assistant.chat.errors import provider_failure
from ai_assistant.config import forms
from ai_assistant.config.parsing import Wrong
from ai_assistant.config.provider import provider_of
from ai_assistant.config.settings import load
from ai_assistant.doctypes import KeepsSecrets, refuse
from ai_assistant.gateway import ProviderError, apis, first_chunk_ms, model_list
from ai_assistant.gateway.endpoint import asks_for_several, is_api_base, is_key

ANY_MODEL = "*"
# The parameters that the app sends with each request, and other names that litellm has for them.
TAKEN = frozenset(
	"api_base api_key base_url custom_llm_provider drop_params input max_retries messages model store stream"
	" timeout".split()
)
MAX_PRIORITY = 10_000
MAX_WEIGHT = 1000


class AIProvider(KeepsSecrets):
	"""A provider that chats can be sent to. Frappe stores its key encrypted, in the table of passwords."""

	# begin: auto-generated types
	# This code is auto-generated. Do not modify anything in this block.

	from typing import TYPE_CHECKING

	if TYPE_CHECKING:
		from ..ai_provider_key.ai_provider_key import AIProviderKey
		from ..ai_provider_model.ai_provider_model import AIProviderModel
		from ..ai_provider_role.ai_provider_role import AIProviderRole
		from frappe.types import DF

		api: DF.Autocomplete
		api_base: DF.Data | None
		api_key: DF.Password | None
		api_keys: DF.Table[AIProviderKey]
		default_model: DF.Autocomplete
		enabled: DF.Check
		extra: DF.JSON | None
		models: DF.Table[AIProviderModel]
		priority: DF.Int
		prompt_cache: DF.Literal["5m", "1h", "off"]
		provider_name: DF.Data
		roles: DF.Table[AIProviderRole]
		weight: DF.Float
	# end: auto-generated types

	def onload(self) -> None:
		"""Gives the form the reason why the provider is not used, if there is one."""
		self.set_onload("set_aside", load().why_not(self.name) if self.enabled else None)

	def validate(self) -> None:
		forms.know_encryption_key()
		for field in ("api", "api_base", "api_key", "default_model"):
			self.set(field, (self.get(field) or "").strip() or None)
		self.check_connection()
		self._check_keys()
		self._check_models()
		self._check_roles()
		self._check_extra()
		self._check_priority()

	def on_update(self) -> None:
		forms.delete_passwords_of_removed_rows(self, "api_keys")

	def on_trash(self) -> None:
		# Frappe deletes the passwords of the document alone.
		for row in self.api_keys:
			delete_all_passwords_for(row.doctype, row.name)

	def check_connection(self) -> None:
		"""Raises ValidationError if the API, its address or the key are wrong."""
		known = apis()
		if self.api and known and self.api not in known:
			near = difflib.get_close_matches(self.api.lower(), known, n=3)
			refuse(
				_("API {0} is not known; accepted is a provider's name in litellm, as {1}."),
				frappe.bold(frappe.utils.escape_html(self.api)),
				", ".join(near or ("openai", "anthropic", "gemini")),
			)
		if self.api_base and not is_api_base(self.api or "", self.api_base):
			refuse(
				_(
					"API Base accepts a URL that begins with http:// or https://, as {0}, without a user, a query (?)"
					" or a fragment (#)."
				),
				"https://api.example.com/v1",
			)
		if not self.api_key:
			if self.enabled and not any(row.enabled for row in self.api_keys):
				frappe.throw(
					_("API Key is missing: enter the provider's key, or none for a server that needs no key.")
				)
		elif not is_key(self.api_key):
			frappe.throw(_("API Key accepts no line end and no other control character; paste it again."))
		elif self.is_dummy_password(self.api_key) and self._is_moved():
			# Otherwise a System Manager could have the key sent to a server of their own, and read it there.
			frappe.throw(_("Enter the API Key again: it was given for another API or API Base."))

	def _is_moved(self) -> bool:
		"""Whether a saved provider gets another API or address, so that its keys would be sent to another server."""
		before = self.get_doc_before_save()
		return before is not None and any(
			(before.get(field) or "") != (self.get(field) or "") for field in ("api", "api_base")
		)

	def _check_keys(self) -> None:
		before = self.get_doc_before_save()
		own = {row.name for row in before.api_keys} if before else set()
		moved = self._is_moved()
		for row in self.api_keys:
			row.label, row.api_key = (row.label or "").strip(), (row.api_key or "").strip() or None
			if not row.api_key or not is_key(row.api_key):
				refuse(
					_(
						"Keys, row {0}: API Key accepts a key without a line end or another control character."
					),
					row.idx,
				)
			# The row of another provider brings a stored key with it, which must not be sent to another server.
			if row.is_dummy_password(row.api_key) and (moved or row.name not in own):
				refuse(
					_("Keys, row {0}: enter the API Key again: it was given for another API or API Base."),
					row.idx,
				)
			if not 0 < flt(row.weight) <= MAX_WEIGHT:
				refuse(
					_("Keys, row {0}: Weight accepts a number above 0 and at most {1}."), row.idx, MAX_WEIGHT
				)
		labels = [row.label for row in self.api_keys]
		if twice := next((label for label in labels if labels.count(label) > 1), None):
			refuse(_("Keys names {0} twice; give each key its own label."), frappe.bold(twice))

	def _check_models(self) -> None:
		for row in self.models:
			row.model = (row.model or "").strip()
			row.check_prices()
		names = [row.model for row in self.models]
		if twice := next((name for name in names if names.count(name) > 1), None):
			refuse(_("Allowed Models names {0} twice; name each model once."), frappe.bold(twice))
		if self.default_model == ANY_MODEL:
			refuse(_("Default Model accepts the name of one model, not {0}."), ANY_MODEL)
		if not names and self.default_model:
			self.append("models", {"model": self.default_model})
		elif self.default_model and self.default_model not in names and ANY_MODEL not in names:
			refuse(
				_("Default Model {0} is not allowed; choose one of the Allowed Models: {1}."),
				frappe.bold(self.default_model),
				", ".join(names),
			)

	def _check_roles(self) -> None:
		names = [row.model for row in self.models]
		for row in self.roles:
			row.model = (row.model or "").strip() or None
			if row.model and row.model not in names and ANY_MODEL not in names:
				refuse(
					_("Permitted Roles, row {0}: Model accepts one of the Allowed Models: {1}."),
					row.idx,
					", ".join(names),
				)

	def _check_extra(self) -> None:
		if not self.extra:
			# MariaDB refuses an empty string in a JSON column.
			self.extra = None
			return
		try:
			extra = json.loads(self.extra) if isinstance(self.extra, str) else self.extra
		except ValueError:
			extra = None
		if not isinstance(extra, dict):
			refuse(_("Extra Parameters accepts a JSON object, as {0}."), '{"top_p": 0.9}')
		if taken := next((name for name in extra if name in TAKEN), None):
			refuse(
				_("Extra Parameters accepts what the app does not give itself, so not {0}."),
				frappe.bold(taken),
			)
		if asks_for_several(extra):
			frappe.throw(_("Extra Parameters accepts 1 for n: one answer is read."))
		if not isinstance(self.extra, str):
			self.extra = json.dumps(extra)

	def _check_priority(self) -> None:
		others = frappe.get_all(
			"AI Provider",
			filters={"name": ("!=", self.name)},
			fields=["name", "enabled", "priority", "weight"],
		)
		if not self.priority:
			self.priority = max((other.priority for other in others), default=0) + 1
			return
		if not 1 <= cint(self.priority) <= MAX_PRIORITY:
			refuse(_("Priority accepts a whole number from 1 to {0}."), MAX_PRIORITY)
		if not self.enabled:
			return
		for other in others:
			shared = flt(self.weight) and flt(other.weight)
			if other.enabled and other.priority == cint(self.priority) and not shared:
				refuse(
					_(
						"Priority {0} is taken by {1}; give each enabled provider one of its own, or both a weight."
					),
					self.priority,
					frappe.bold(other.name),
				)


@frappe.whitelist()
def known_apis() -> list[str]:
	"""Returns the names that the form offers for API. For System Managers."""
	frappe.only_for("System Manager")
	return list(apis())


@frappe.whitelist(methods=["POST"])
def test_connection(provider: str) -> dict[str, Any]:
	"""Streams one short answer from a saved provider, enabled or not. For System Managers.

	Returns:
		`{"success": bool, "message": one sentence, "first_chunk_ms": int or None}`, also for a failure. The message
		has neither the key nor text of the provider.
	"""
	frappe.only_for("System Manager")
	name = frappe.get_doc("AI Provider", provider).name
	try:
		took = first_chunk_ms(provider_of(forms.provider(name)))
	except (Wrong, ProviderError) as error:
		return {"success": False, "message": _reason(error), "first_chunk_ms": None}
	if took is None:
		message = _("{0} ended its answer without a word.").format(name)
	else:
		message = _("{0} answered; its first chunk came after {1} ms.").format(name, took)
	return {"success": took is not None, "message": message, "first_chunk_ms": took}


@frappe.whitelist(methods=["POST"])
def fetch_models(
	provider: str | None = None, api: str = "", api_base: str = "", api_key: str = ""
) -> dict[str, Any]:
	"""Asks a provider for its models, for the form to fill Allowed Models with. For System Managers.

	Args:
		provider: a saved provider. Without it, the other arguments are those of one that is not saved yet.
		api: its API.
		api_base: its address, empty for the API's own.
		api_key: its key.

	Returns `{"success": bool, "message": str, "models": list of rows}`. A row holds the columns of AI Provider Model that
	the provider's list has a value for.
	"""
	frappe.only_for("System Manager")
	if provider:
		name = frappe.get_doc("AI Provider", provider).name
		values = forms.provider(name)
	else:
		doc = frappe.new_doc(
			"AI Provider", api=api.strip(), api_base=api_base.strip(), api_key=api_key.strip()
		)
		doc.check_connection()
		name = doc.api
		values = {
			"name": name,
			"api": name,
			"api_base": doc.api_base or None,
			"api_key": doc.api_key,
			# The list of models is asked for without one.
			"default_model": ANY_MODEL,
		}
	try:
		listed = model_list.fetch(provider_of(values))
	except (Wrong, ProviderError) as error:
		return {"success": False, "message": _reason(error), "models": []}
	message = _("{0} has {1} models.").format(name, len(listed))
	return {"success": True, "message": message, "models": [model.as_row() for model in listed]}


def _reason(error: Wrong | ProviderError) -> str:
	return provider_failure(error, True)["message"] if isinstance(error, ProviderError) else str(error)
