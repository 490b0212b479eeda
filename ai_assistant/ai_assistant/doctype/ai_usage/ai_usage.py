import frappe
from frappe.utils import add_days, get_first_day, getdate, nowdate

from ai_assistant.store.mariadb import keep_binary

from ai_assistant.doctypes import WrittenByApp


class AIUsage(WrittenByApp):
	"""What the requests of one user used on one day, the requests with one AI Key, or (without a user) all requests.

	A request with a key is in three rows: the user's, the key's and that of all. `ai_assistant.store.frappe_store`
	adds each request once, when it ends. Budgets are checked against these rows, which outlive the requests.
	"""

	# begin: auto-generated types
	# This code is auto-generated. Do not modify anything in this block.

	from typing import TYPE_CHECKING

	if TYPE_CHECKING:
		from frappe.types import DF

		ai_key: DF.Link | None
		cache_write_tokens: DF.Int
		cached_tokens: DF.Int
		cost_usd: DF.Float
		day: DF.Date | None
		requests: DF.Int
		tokens: DF.Int
		user: DF.Link | None
	# end: auto-generated types

	@staticmethod
	def clear_old_logs(days: int = 400) -> None:
		"""Log Settings calls this (frappe/core/doctype/log_settings). The current month stays: budgets need it."""
		first_day = min(getdate(add_days(nowdate(), -days)), getdate(get_first_day(nowdate())))
		frappe.db.delete("AI Usage", {"day": ("<", first_day)})


def on_doctype_update() -> None:
	"""Users are compared byte by byte, as in AI Request; budgets look rows up by these indexes."""
	keep_binary("AI Usage", {"user": 140})
	frappe.db.add_index("AI Usage", ["user", "day"])
	frappe.db.add_index("AI Usage", ["ai_key", "day"])
