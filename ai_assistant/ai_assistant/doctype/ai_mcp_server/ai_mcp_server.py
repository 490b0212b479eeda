import frappe
from frappe import _

from ai_assistant.config.settings import SERVER_NAME

from ai_assistant.doctypes import KeepsSecrets


class AIMCPServer(KeepsSecrets):
	"""A server of the Model Context Protocol, whose tools a mode may have. `ai_assistant.tools.mcp` speaks to it."""

	# begin: auto-generated types
	# This code is auto-generated. Do not modify anything in this block.

	from typing import TYPE_CHECKING

	if TYPE_CHECKING:
		from frappe.types import DF

		ask_first: DF.Check
		enabled: DF.Check
		server_name: DF.Data
		token: DF.Password | None
		url: DF.Data
	# end: auto-generated types

	def validate(self) -> None:
		self.url = (self.url or "").strip()
		if not SERVER_NAME.fullmatch(self.server_name or ""):
			frappe.throw(_("Name accepts 1 to 20 of a-z, 0-9 and -."))
		if not self.url.startswith(("https://", "http://")):
			frappe.throw(_("URL accepts an address that begins with https:// or http://."))
