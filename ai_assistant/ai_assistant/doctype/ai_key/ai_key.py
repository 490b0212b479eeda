from typing import Any

import frappe
from frappe import _
from frappe.model.document import Document

from ai_assistant import keys
from ai_assistant.permissions import ROLES
from ai_assistant.store.mariadb import keep_binary


class AIKey(Document):
	"""A key with which a client chats as a user. The row has the key's hash; `ai_assistant.keys` authenticates."""

	# begin: auto-generated types
	# This code is auto-generated. Do not modify anything in this block.

	from typing import TYPE_CHECKING

	if TYPE_CHECKING:
		from frappe.types import DF

		cost_per_day: DF.Float
		cost_per_month: DF.Float
		enabled: DF.Check
		expires: DF.Datetime | None
		key_hash: DF.Data | None
		key_start: DF.Data | None
		label: DF.Data
		last_used: DF.Datetime | None
		models: DF.SmallText | None
		requests_per_minute: DF.Int
		site_tools: DF.Check
		tokens_per_day: DF.Int
		tokens_per_month: DF.Int
		user: DF.Link
	# end: auto-generated types

	_key: str | None = None
	"""The key itself, in the process and request that made it."""

	def onload(self) -> None:
		"""Give the form the key in the answer to the save that made it, and never again."""
		if self._key:
			self.set_onload("key", self._key)

	def validate(self) -> None:
		self.label = (self.label or "").strip()
		before = self.get_doc_before_save()
		if before and before.user != self.user:
			frappe.throw(_("User cannot be changed; make a key for the other user."), frappe.PermissionError)
		if not ROLES & set(frappe.get_roles(self.user)):
			frappe.throw(_("User accepts a user with the role AI Assistant User."))
		models = [model for line in (self.models or "").splitlines() if (model := line.strip())]
		self.models = "\n".join(dict.fromkeys(models)) or None
		if self.is_new():
			self._key = keys.generate()
			self.key_start = self._key[: keys.SHOWN_CHARS]
			self.key_hash = keys.digest(self._key)
			self.last_used = None
			return
		for field in ("key_hash", "key_start", "last_used"):
			self.set(field, before.get(field))

	def on_trash(self) -> None:
		# Frappe keeps the document as a Deleted Document; restored, it gets a new hash.
		self.key_hash = None


@frappe.whitelist(methods=["POST"])
def make(label: str) -> dict[str, Any]:
	"""Make a key for the session's user. `{"name", "key"}`; the key cannot be read again."""
	doc = frappe.get_doc({"doctype": "AI Key", "label": label})
	doc.insert()
	return {"name": doc.name, "key": doc._key}


def on_doctype_update() -> None:
	"""Users are compared byte by byte, as in AI Request."""
	keep_binary("AI Key", {"user": 140})
