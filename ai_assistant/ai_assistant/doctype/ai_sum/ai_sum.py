import frappe
from frappe import _
from frappe.model.document import Document


class AISum(Document):
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

	def validate(self) -> None:
		frappe.throw(_("Only chats change AI Sums; they cannot be edited."), frappe.PermissionError)
