import frappe
from frappe import _
from frappe.model.document import Document
from frappe.utils import add_days, get_first_day, getdate, nowdate

from ..ai_request.ai_request import keep_binary


class AIUsage(Document):
	"""What one user's requests have used on one day, and in the row of no user what those of all have.

	`ai_assistant.store.frappe_store` writes the rows, each request once as it ends; the budgets are counted by them.
	"""

	# begin: auto-generated types
	# This code is auto-generated. Do not modify anything in this block.

	from typing import TYPE_CHECKING

	if TYPE_CHECKING:
		from frappe.types import DF

		cache_write_tokens: DF.Int
		cached_tokens: DF.Int
		cost_usd: DF.Float
		day: DF.Date | None
		requests: DF.Int
		tokens: DF.Int
		user: DF.Link | None
	# end: auto-generated types

	def validate(self) -> None:
		frappe.throw(_("AI Usage is booked by chats alone; it cannot be edited."), frappe.PermissionError)

	@staticmethod
	def clear_old_logs(days: int = 400) -> None:
		"""What Log Settings calls (frappe/core/doctype/log_settings). This month is kept: budgets are counted by it."""
		usage = frappe.qb.DocType("AI Usage")
		kept = min(getdate(add_days(nowdate(), -days)), getdate(get_first_day(nowdate())))
		frappe.db.delete(usage, usage.day < kept)


def on_doctype_update() -> None:
	"""Users compared byte by byte, as in AI Request, and the index that they are looked up by."""
	keep_binary("AI Usage", {"user": 140})
	frappe.db.add_index("AI Usage", ["user", "day"])
