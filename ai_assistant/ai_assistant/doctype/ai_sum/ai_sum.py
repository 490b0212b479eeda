import frappe
from frappe import _
from frappe.model.document import Document


class AISum(Document):
	"""What all requests came to that were ever counted, by series (`ai_assistant.operations.metrics`): it outlives them.

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

	def validate(self) -> None:
		frappe.throw(
			_("AI Sums are made of requests that end; they cannot be edited."), frappe.PermissionError
		)
