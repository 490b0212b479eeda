"""The page `/ai-assistant/connect`. Guests are sent to the login; a user without the role is told so."""

from typing import Any

from frappe import _

from ai_assistant import page
from ai_assistant.config import forms

no_cache = 1
sitemap = 0


def get_context(context: Any) -> None:
	"""Sets what the template and its script need. Raises frappe.Redirect for a guest."""
	context.boot = page.boot(context, "/ai-assistant/connect")
	# The standalone site has its keys in its configuration.
	context.makes_keys = forms.exist()
	vscode = _(
		"Run “Chat: Manage Language Models”, then open chatLanguageModels.json from there and paste this."
	)
	llm = _("extra-openai-models.yaml in the folder that “llm logs path” names.")
	# The id as in connect/configurations.js, the title, the API that they ask, and a note.
	context.clients = [
		("vscode", "VS Code", "chat", vscode),
		("continue", "Continue", "chat", "~/.continue/config.yaml"),
		("cline", "Cline", "chat", _("Enter these values in the settings of Cline.")),
		("opencode", "opencode", "chat", "opencode.json"),
		("codex", "Codex", "responses", "~/.codex/config.toml"),
		("claude", "Claude Code", "messages", _("Run this in a terminal.")),
		("aider", "aider", "chat", _("Run this in a terminal.")),
		("llm", "llm", "chat", llm),
		("openai_python", "OpenAI SDK, Python", "chat", "pip install openai"),
		("openai_node", "OpenAI SDK, Node", "chat", "npm install openai"),
		("anthropic_python", "Anthropic SDK, Python", "messages", "pip install anthropic"),
		("ai_sdk", "AI SDK", "chat", "npm install ai @ai-sdk/openai-compatible"),
	]
