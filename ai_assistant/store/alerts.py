"""The part of a store that keeps alerts."""

from typing import Protocol

AlertKey = tuple[str, str]
"""The kind of an alert and its subject: the name of a provider or of a section of the configuration, or nothing."""


class Alerts(Protocol):
	"""Alerts. At most one alert is open for each kind and subject."""

	def alerts(self) -> dict[AlertKey, float]:
		"""Returns the open alerts, and the UNIX time at which each was last seen."""

	def keep_alert(self, kind: str, subject: str, message: str, now: float) -> None:
		"""Opens an alert, or updates the open one: it was seen `now` and has this message."""

	def end_alert(self, kind: str, subject: str, now: float) -> None:
		"""Ends the open alert."""
