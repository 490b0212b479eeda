"""How the scripted provider finds its script in a request of any family."""

from __future__ import annotations

import json
from typing import Any

from .wire import Step

DEFAULT_SCRIPT: list[Step] = [
	{"reasoning": "Let me think."},
	{"text": "Hello"},
	{"text": " there."},
]


# A tool's answer in a request, whatever the family.
ANSWERS = (
	'"role": "tool"',
	'"type": "tool_result"',
	'"function_response"',
	'"functionResponse"',
	'"type": "function_call_output"',
	'"type": "web_search_tool_result"',
)


def script_of(body: dict[str, Any]) -> list[Step]:
	"""The script in a request of any family: its last user message, if that is a JSON list of steps."""
	if "contents" in body:
		texts = [
			p["text"]
			for c in body["contents"]
			for p in c["parts"]
			if c.get("role") == "user" and p.get("text")
		]
	else:
		texts = []
		for message in body.get("messages") or body.get("input") or []:
			content = message.get("content")
			if message.get("role") != "user":
				continue
			if isinstance(content, list):
				parts = [part.get("text", "") for part in content]
				# An agent's context and its user's words may be parts of one message.
				content = next((part for part in reversed(parts) if _is_script(part)), "".join(parts))
			if content:
				texts.append(content)
	try:
		# VS Code puts its user's words between tags, Claude Code behind reminders, and aider before instructions.
		words = texts[-1].rpartition("<userRequest>")[2].rpartition("</system-reminder>")[2].strip()
		script, _end = json.JSONDecoder().raw_decode(words)
	except (ValueError, IndexError):
		return DEFAULT_SCRIPT
	if not isinstance(script, list) or not all(isinstance(step, dict) for step in script):
		return DEFAULT_SCRIPT
	if script and "turn" in script[0]:
		body_text = json.dumps(body)
		script = script[min(sum(body_text.count(words) for words in ANSWERS), len(script) - 1)]["turn"]
	return [{**step, "text": step["text"] * step["times"]} if "times" in step else step for step in script]


def _is_script(text: str) -> bool:
	try:
		return isinstance(json.loads(text), list)
	except ValueError:
		return False
