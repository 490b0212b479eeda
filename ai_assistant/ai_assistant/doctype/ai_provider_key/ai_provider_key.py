from ai_assistant.doctypes import KeepsSecrets


class AIProviderKey(KeepsSecrets):
	"""One of several keys of a provider: a row of AI Provider, which validates it. Frappe stores the key encrypted."""

	# begin: auto-generated types
	# This code is auto-generated. Do not modify anything in this block.

	from typing import TYPE_CHECKING

	if TYPE_CHECKING:
		from frappe.types import DF

		api_key: DF.Password | None
		enabled: DF.Check
		label: DF.Data
		parent: DF.Data
		parentfield: DF.Data
		parenttype: DF.Data
		weight: DF.Float
	# end: auto-generated types
