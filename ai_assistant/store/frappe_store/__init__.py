"""The store of a bench: the tables of its DocTypes on MariaDB."""

from contextlib import suppress

import frappe

from ..mariadb import NOW, sql
from .alerts import FrappeAlerts
from .conversations import FrappeConversations
from .deliveries import FrappeDeliveries
from .figures import FrappeFigures
from .keys import FrappeKeys
from .requests import FrappeRequests
from .usage import FrappeUsage

# MariaDB's error numbers. In order: the row has changed since it was read (Frappe 15 calls that a deadlock, 16 does not),
# too many connections, shutdown, four network errors, read only, query or connection killed; the client's: no server,
# server gone, connection lost.
UNREACHABLE = (1020, 1040, 1053, 1158, 1159, 1160, 1161, 1290, 1317, 1927, 2002, 2003, 2006, 2013, 2014, 2055)


class FrappeStore(
	FrappeRequests,
	FrappeUsage,
	FrappeFigures,
	FrappeAlerts,
	FrappeKeys,
	FrappeDeliveries,
	FrappeConversations,
):
	"""`ai_assistant.store.Store` on MariaDB. `mariadb.keep_binary` makes its keys binary.

	A str with a lone surrogate raises UnicodeEncodeError, and nothing is written.
	"""

	def now(self) -> float:
		((now,),) = sql(f"SELECT {NOW}")
		return float(now)

	def reset_if_unreachable(self, error: Exception) -> bool:
		kind, number = type(error).__name__, error.args[0] if error.args else None
		# InterfaceError is what every driver raises on a closed connection.
		is_unreachable = (
			kind == "InterfaceError"
			or isinstance(error, frappe.QueryDeadlockError | frappe.QueryTimeoutError)
			or (kind == "OperationalError" and number in UNREACHABLE)
		)
		if is_unreachable:
			with suppress(Exception):
				frappe.db.close()
		return is_unreachable
