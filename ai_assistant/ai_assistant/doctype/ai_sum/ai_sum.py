from ai_assistant.doctypes import WrittenByApp


class AISum(WrittenByApp):
	"""A sum over all requests that were ever counted (`ai_assistant.operations.metrics`). It stays when they are deleted.

	`series` is a JSON list: the name of the sum, and the values of its labels.
	"""

	# begin: auto-generated types
	# This code is auto-generated. Do not modify anything in this block.

	from typing import TYPE_CHECKING

	if TYPE_CHECKING:
		from frappe.types import DF

		series: DF.SmallText | None
		value: DF.Float
	# end: auto-generated types
