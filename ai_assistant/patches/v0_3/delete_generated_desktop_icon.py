from ai_assistant.install import leave_desktop


def execute() -> None:
	"""Makes room for the icon and the sidebar that the app brings: Frappe 16 keeps what it has generated itself, being newer."""
	leave_desktop()
