from frappe.model.document import Document


class AIMode(Document):
	"""A mode of chats: its system prompt and defaults. A row of AI Assistant Settings, which validates it."""

	# begin: auto-generated types
	# This code is auto-generated. Do not modify anything in this block.

	from typing import TYPE_CHECKING

	if TYPE_CHECKING:
		from frappe.types import DF

		compact: DF.Check
		mode: DF.Data
		model: DF.Data | None
		parent: DF.Data
		parentfield: DF.Data
		parenttype: DF.Data
		provider: DF.Link | None
		reasoning_effort: DF.Literal["", "none", "minimal", "low", "medium", "high", "xhigh", "max"]
		system_prompt: DF.Code | None
		temperature: DF.Data | None
		trim: DF.Literal["", "oldest_tool_results"]
	# end: auto-generated types
