import frappe
from frappe.utils import add_days, now_datetime

from ai_assistant.view_log import LogsViews


class AIRequestEvent(LogsViews):
	"""One event of a request, as it was sent. A client that lost its connection reads the events again from here.

	The name is `request:seq`. `payload` has the other fields of the event as JSON. A completion repeats the figures of
	its request, because a client that reads it again gets the same bytes.
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

	def content_user(self) -> str | None:
		user: str | None = frappe.db.get_value("AI Request", self.request, "user")
		return user

	@staticmethod
	def clear_old_logs(days: int = 1) -> None:
		"""Deletes old events. Log Settings calls it (frappe/core/doctype/log_settings)."""
		frappe.db.delete("AI Request Event", {"creation": ("<", add_days(now_datetime(), -days))})


def on_doctype_update() -> None:
	"""Creates the index that events are read by; it keeps a number from being used twice in a request."""
	frappe.db.add_unique("AI Request Event", ["request", "seq"])
