"""`frappe.cache`."""

from __future__ import annotations

from time import monotonic
from typing import Any

from .context import local


class _Cache:
	"""Values in this process's memory. In frappe/utils/redis_wrapper.py they are in Redis and may be evicted.

	One cache serves all sites of the process. Keys include the site.
	"""

	def __init__(self) -> None:
		self._values: dict[tuple[str, str], tuple[float, Any]] = {}

	def set_value(self, key: str, val: Any, *, expires_in_sec: float) -> None:
		"""Keep a value for `expires_in_sec` seconds."""
		now = monotonic()
		expired = [old for old, (until, _value) in list(self._values.items()) if until <= now]
		for old in expired:
			self._values.pop(old, None)
		self._values[local.site, key] = now + expires_in_sec, val

	def get_value(self, key: str, *, expires: bool) -> Any:
		"""The value, or None if it has expired."""
		until, value = self._values.get((local.site, key), (0.0, None))
		return value if monotonic() < until else None


cache = _Cache()
