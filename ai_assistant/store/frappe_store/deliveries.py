"""Messages for webhooks in the table of AI Webhook Delivery."""

from collections.abc import Sequence

import frappe

from ..deliveries import Delivery
from ..mariadb import same_bytes, sql
from .rows import insert

DELIVERY = "AI Webhook Delivery"


class FrappeDeliveries:
	"""`ai_assistant.store.deliveries.Deliveries` on MariaDB."""

	def add_deliveries(self, request: str, urls: Sequence[str], payload: str) -> None:
		columns = {"request": request, "payload": payload, "status": "waiting", "attempts": 0, "next_at": 0}
		for url in urls:
			insert(DELIVERY, frappe.generate_hash(length=20), frappe.utils.now(), {**columns, "url": url})

	def due_deliveries(self, url: str, now: float, limit: int) -> list[Delivery]:
		rows = sql(
			f"SELECT name, url, payload, attempts FROM `tab{DELIVERY}` WHERE status = 'waiting' AND next_at <= %s"
			f" AND {same_bytes('url')} = %s ORDER BY next_at, creation LIMIT %s",
			(now, url, limit),
		)
		return [Delivery(*row) for row in rows]

	def begin_delivery(self, delivery: Delivery, next_at: float) -> bool:
		rows = sql(
			f"SELECT name FROM `tab{DELIVERY}` WHERE name = %s AND status = 'waiting' AND attempts = %s FOR UPDATE",
			(delivery.name, delivery.attempts),
		)
		if rows:
			sql(
				f"UPDATE `tab{DELIVERY}` SET attempts = attempts + 1, next_at = %s WHERE name = %s",
				(next_at, delivery.name),
			)
		return bool(rows)

	def end_delivery(self, name: str, status: str, error: str | None = None) -> None:
		sql(
			f"UPDATE `tab{DELIVERY}` SET status = %s, error = %s, modified = %s WHERE name = %s",
			(status, error, frappe.utils.now(), name),
		)
