"""The part of a store that logs who reads the content of other users."""

from typing import Protocol


class Views(Protocol):
	"""The log of readers. docs/privacy.md says where an administrator finds it."""

	def log_view(self, reader: str, name: str) -> None:
		"""Logs that a user reads the content of a request of another user.

		Args:
			reader: the user who reads.
			name: the `name` of the request.
		"""
