"""The log of readers in Frappe's View Log."""

from ai_assistant import view_log

from .rows import REQUEST


class FrappeViews:
	"""`ai_assistant.store.views.Views` on MariaDB."""

	def log_view(self, reader: str, name: str) -> None:
		view_log.add_row(reader, REQUEST, name)
