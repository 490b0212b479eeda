from ai_assistant.install import leave_desktop


def execute() -> None:
	"""Deletes the icon and the sidebar that Frappe 16 generated. They are newer than the app's own, so Frappe keeps them."""
	leave_desktop()
