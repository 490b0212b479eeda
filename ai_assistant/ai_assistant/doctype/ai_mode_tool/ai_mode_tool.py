from frappe.model.document import Document


class AIModeTool(Document):
	"""A tool of the site that a mode has: a row of AI Assistant Settings, which validates it."""

	# begin: auto-generated types
	# This code is auto-generated. Do not modify anything in this block.

	from typing import TYPE_CHECKING

	if TYPE_CHECKING:
		from frappe.types import DF

		mode: DF.Data
		parent: DF.Data
		parentfield: DF.Data
		parenttype: DF.Data
		tool: DF.Data
	# end: auto-generated types
