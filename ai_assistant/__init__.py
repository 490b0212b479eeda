"""A streaming AI backend for Frappe.

Other apps call `ai_assistant.ask(…)` and `ai_assistant.stream(…)`; see `ai_assistant.api.python`. They mark
their functions as tools with `ai_assistant.tool`; see docs/tools.md.
"""

from typing import Any

__version__ = "0.2.0"


def __getattr__(name: str) -> Any:
	# Imported at the first use: bench reads this module for the version alone.
	if name in ("Answer", "ask", "stream"):
		from ai_assistant.api import python

		return getattr(python, name)
	if name == "tool":
		from ai_assistant.tools.tool import tool

		return tool
	if name == "ChatError":
		from ai_assistant.chat.errors import ChatError

		return ChatError
	raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
