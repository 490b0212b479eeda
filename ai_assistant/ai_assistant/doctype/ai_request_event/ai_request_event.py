import frappe
from frappe import _
from frappe.model.document import Document
from frappe.utils import add_days, now_datetime


class AIRequestEvent(Document):
	"""One event of a request, as it was sent: the journal that a client reads on from.

	Its name is `request:seq`. `payload` holds what the event has besides its number, type and text.
	"""

	# begin: auto-generated types
	# This code is auto-generated. Do not modify anything in this block.

	from typing import TYPE_CHECKING

	if TYPE_CHECKING:
		from frappe.types import DF

		payload: DF.Code | None
		request: DF.Link | None
		seq: DF.Int
		text: DF.Code | None
		type: DF.Data | None
	# end: auto-generated types

	def validate(self) -> None:
		frappe.throw(
			_("AI Request Events are made by chats alone; they cannot be edited."), frappe.PermissionError
		)

	@staticmethod
	def clear_old_logs(days: int = 1) -> None:
		"""What Log Settings calls (frappe/core/doctype/log_settings)."""
		event = frappe.qb.DocType("AI Request Event")
		frappe.db.delete(event, event.creation < add_days(now_datetime(), -days))


def on_doctype_update() -> None:
	"""Each number once a request, and the index that events are read by."""
	frappe.db.add_unique("AI Request Event", ["request", "seq"])
