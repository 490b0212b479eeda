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
	context.clients = _clients()


def _clients() -> list[dict[str, str]]:
	"""The clients of the page: `id` as in connect/configurations.js, `title`, `note`, and the `api` that they ask."""
	return [
		{
			"id": "vscode",
			"title": "VS Code",
			"api": "chat",
			"note": _(
				"Run “Chat: Manage Language Models”, then open chatLanguageModels.json from there and paste this."
			),
		},
		{"id": "continue", "title": "Continue", "api": "chat", "note": "~/.continue/config.yaml"},
		{
			"id": "cline",
			"title": "Cline",
			"api": "chat",
			"note": _("Enter these values in the settings of Cline."),
		},
		{"id": "opencode", "title": "opencode", "api": "chat", "note": "opencode.json"},
		{"id": "codex", "title": "Codex", "api": "responses", "note": "~/.codex/config.toml"},
		{"id": "claude", "title": "Claude Code", "api": "messages", "note": _("Run this in a terminal.")},
		{"id": "aider", "title": "aider", "api": "chat", "note": _("Run this in a terminal.")},
		{
			"id": "llm",
			"title": "llm",
			"api": "chat",
			"note": _("extra-openai-models.yaml in the folder that “llm logs path” names."),
		},
		{"id": "openai_python", "title": "OpenAI SDK, Python", "api": "chat", "note": "pip install openai"},
		{"id": "openai_node", "title": "OpenAI SDK, Node", "api": "chat", "note": "npm install openai"},
		{
			"id": "anthropic_python",
			"title": "Anthropic SDK, Python",
			"api": "messages",
			"note": "pip install anthropic",
		},
		{
			"id": "ai_sdk",
			"title": "AI SDK",
			"api": "chat",
			"note": "npm install ai @ai-sdk/openai-compatible",
		},
	]
