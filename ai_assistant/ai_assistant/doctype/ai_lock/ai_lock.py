from ai_assistant.doctypes import WrittenByApp


class AILock(WrittenByApp):
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
