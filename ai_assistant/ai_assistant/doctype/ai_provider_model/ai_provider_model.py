from frappe.model.document import Document


class AIProviderModel(Document):
	"""A model that may be asked of a provider; a row of AI Provider, which checks it."""

	# begin: auto-generated types
	# This code is auto-generated. Do not modify anything in this block.

	from typing import TYPE_CHECKING

	if TYPE_CHECKING:
		from frappe.types import DF

		cache_read_price: DF.Data | None
		cache_write_1h_price: DF.Data | None
		cache_write_price: DF.Data | None
		context_window: DF.Int
		documents: DF.Literal["", "Yes", "No"]
		input_price: DF.Data | None
		max_output_tokens: DF.Int
		model: DF.Data
		output_price: DF.Data | None
		parent: DF.Data
		parentfield: DF.Data
		parenttype: DF.Data
		price_tiers: DF.JSON | None
		tools: DF.Literal["", "Yes", "No"]
		vision: DF.Literal["", "Yes", "No"]
	# end: auto-generated types
