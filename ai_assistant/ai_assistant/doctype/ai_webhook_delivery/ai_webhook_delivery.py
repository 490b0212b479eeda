import frappe
from frappe.utils import add_days, now_datetime

from ai_assistant.doctypes import WrittenByApp


class AIWebhookDelivery(WrittenByApp):
	"""A message for a webhook. Only `ai_assistant.store.frappe_store` writes the rows."""

	# begin: auto-generated types
	# This code is auto-generated. Do not modify anything in this block.

	from typing import TYPE_CHECKING

	if TYPE_CHECKING:
		from frappe.types import DF

		attempts: DF.Int
		error: DF.Data | None
		next_at: DF.Float
		payload: DF.Code | None
		request: DF.Link | None
		status: DF.Literal["waiting", "delivered", "failed"]
		url: DF.Data | None
	# end: auto-generated types

	def after_delete(self) -> None:
		"""Empties the payload, because Frappe keeps the document as a Deleted Document (frappe/model/delete_doc.py).

		The payload names the user, and an erasure does not look into it there.
		"""
		self.payload = None

	@staticmethod
	def clear_old_logs(days: int = 30) -> None:
		"""Deletes old messages. Log Settings calls it (frappe/core/doctype/log_settings)."""
		frappe.db.delete("AI Webhook Delivery", {"creation": ("<", add_days(now_datetime(), -days))})


def on_doctype_update() -> None:
	"""Creates the index for the messages that are due."""
	frappe.db.add_index("AI Webhook Delivery", ["status", "next_at"])
