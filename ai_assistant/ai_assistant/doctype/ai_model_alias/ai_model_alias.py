import frappe
from frappe import _
from frappe.model.document import Document

from ai_assistant.chat.request import MODEL
from ai_assistant.config.settings import load
from ai_assistant.doctypes import refuse


class AIModelAlias(Document):
	"""A name for a model of a provider, so that the configurations of clients outlast a change of models."""

	# begin: auto-generated types
	# This code is auto-generated. Do not modify anything in this block.

	from typing import TYPE_CHECKING

	if TYPE_CHECKING:
		from frappe.types import DF

		alias: DF.Data
		mode: DF.Data | None
		model: DF.Data
		provider: DF.Link
	# end: auto-generated types

	def validate(self) -> None:
		self.alias, self.model = (self.alias or "").strip(), (self.model or "").strip()
		if self.alias == "*" or not MODEL.fullmatch(self.alias):
			frappe.throw(
				_("Alias accepts 1 to 140 letters, digits, spaces and the characters _ . : / @ + and -.")
			)
		self.mode = (self.mode or "").strip() or None
		if self.mode and self.mode not in load().modes:
			refuse(_("Mode accepts one of: {0}."), ", ".join(load().modes))
		models = frappe.get_all("AI Provider Model", filters={"parent": self.provider}, pluck="model")
		if self.model not in models and not ("*" in models and MODEL.fullmatch(self.model)):
			refuse(
				_("Model accepts one of the models of {0}: {1}."),
				frappe.bold(frappe.utils.escape_html(self.provider)),
				", ".join(models),
			)
