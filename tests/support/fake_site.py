"""A store and a database in one, which record what is asked of them and fail on demand."""

import time
from typing import Any

OUTCOME = {
	"status": "completed",
	"finish_reason": "stop",
	"provider": "p",
	"model": "m",
	"usage": None,
	"attempts": [],
	"error": None,
}


class FakeSite:
	"""The calls that the publisher makes of the store, of `frappe.db` and of the realtime server."""

	def __init__(self) -> None:
		self.done: list[str] = []
		"""The names of the calls, in order."""
		self.stored: list[dict[str, Any]] = []
		self.sent: list[dict[str, Any]] = []
		self.row: dict[str, Any] = {}
		self.refuse: set[str] = set()
		"""The calls that raise an error which leaves the store reachable."""
		self.away: set[str] = set()
		"""The calls that break the connection. A commit that does so is done all the same."""
		self._written: list[dict[str, Any]] = []

	def _do(self, call: str) -> None:
		self.done.append(call)
		if call in self.refuse:
			raise OSError(f"{call} refused")
		if call in self.away and call != "commit":
			raise ConnectionError

	def reset_if_unreachable(self, error: Exception) -> bool:
		self.rollback()
		return isinstance(error, ConnectionError)

	def events(self, name: str, after_seq: int) -> list[dict[str, Any]]:
		return self.stored[after_seq:]

	def now(self) -> float:
		return time.time()

	def append(self, name: str, event: dict[str, Any]) -> None:
		self._do("append")
		self._written.append(event)

	def finish(self, name: str, values: dict[str, Any]) -> None:
		self._do("finish")
		self.row = dict(values)

	def forget(self, name: str) -> None:
		self._do("forget")

	def emit(self, event: str, message: Any, room: str) -> None:
		self._do("send")
		self.sent.append({"event": event, "room": room, **message})

	def commit(self) -> None:
		self._do("commit")
		self.stored += self._written
		self._written = []
		if "commit" in self.away:
			raise ConnectionError

	def rollback(self) -> None:
		self._written = []
