from ai_assistant.doctypes import KeepsSecrets


class AIWebhook(KeepsSecrets):
	"""An address that is told when a request ends: a row of AI Assistant Settings, which validates it."""

	# begin: auto-generated types
	# This code is auto-generated. Do not modify anything in this block.

	from typing import TYPE_CHECKING

	if TYPE_CHECKING:
		from frappe.types import DF

		enabled: DF.Check
		parent: DF.Data
		parentfield: DF.Data
		parenttype: DF.Data
		secret: DF.Password | None
		url: DF.Data
	# end: auto-generated types
