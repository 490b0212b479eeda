import frappe
from frappe import _
from frappe.model.document import Document


class AILock(Document):
	"""A row that a transaction locks, so that only one at a time does the work it is named after (`ai_assistant.store`).

	The first transaction that needs the row inserts it. It is never changed afterwards.
	"""

	# begin: auto-generated types
	# This code is auto-generated. Do not modify anything in this block.

	from typing import TYPE_CHECKING

	if TYPE_CHECKING:
		from frappe.types import DF

		description: DF.SmallText | None
	# end: auto-generated types

	def validate(self) -> None:
		frappe.throw(_("AI Locks are made by the app; they cannot be edited."), frappe.PermissionError)
