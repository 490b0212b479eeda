"""The sentences of the app that people read, as Frappe's `bench generate-pot-file` extracts them (frappe/gettext/extractors)."""

import ast
import json
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
APP = ROOT / "ai_assistant"
MARKS = ("_", "N_", "_lt")
JAVASCRIPT = re.compile(r"""(?<![\w.])__\(\s*("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`$]*`)""")
HTML = re.compile(r"""(?<![\w.])_\(\s*("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')""")

Found = Iterator[tuple[str, str]]
"""Sentences, each with a comment for translators, which may be empty."""


def messages() -> dict[str, tuple[set[str], set[str]]]:
	"""Returns the sentences with the files that have them, and the comments for translators."""
	texts: dict[str, tuple[set[str], set[str]]] = defaultdict(lambda: (set(), set()))
	for file in sources():
		for message, comment in extract(file):
			if message:
				files, comments = texts[message]
				files.add(file.relative_to(ROOT).as_posix())
				comments.update([comment] if comment else [])
	return dict(texts)


def sources() -> list[Path]:
	"""Returns the files of the app that Frappe's extractors read."""
	return sorted(
		file
		for suffix in ("py", "js", "html", "json")
		for file in APP.rglob(f"*.{suffix}")
		if "dist" not in file.parts and "__pycache__" not in file.parts
	)


def extract(file: Path) -> Found:
	text = file.read_text("utf-8")
	if file.suffix == ".py":
		for call in calls(text):
			if call.args and isinstance(call.args[0], ast.Constant) and isinstance(call.args[0].value, str):
				yield call.args[0].value, ""
	elif file.suffix == ".js":
		for quoted in JAVASCRIPT.findall(text):
			yield unquoted(quoted), ""
	elif file.suffix == ".html":
		for quoted in HTML.findall(text):
			yield unquoted(quoted), ""
	else:
		yield from _of_document(json.loads(text), file.parts)


def calls(source: str) -> list[ast.Call]:
	"""Returns the calls of `_()` and the other marks in Python source."""
	return [
		node
		for node in ast.walk(ast.parse(source))
		if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in MARKS
	]


def unquoted(literal: str) -> str:
	text: str = ast.literal_eval(f'"""{literal[1:-1]}"""' if literal[0] == "`" else literal)
	return text


def _of_document(data: Any, path: tuple[str, ...]) -> Found:
	"""Yields the sentences of a document that the app ships."""
	if not isinstance(data, dict):
		return
	if "doctype" in path and data.get("doctype") == "DocType":
		yield from _of_doctype(data)
	elif "workspace" in path and data.get("doctype") == "Workspace":
		yield from _of_workspace(data)
	elif "desktop_icon" in path:
		yield data.get("label", ""), "Label of a Desktop Icon"
	elif "workspace_sidebar" in path:
		yield data.get("title", ""), "Title of a Workspace Sidebar"
		for item in data.get("items", []):
			yield item.get("label", ""), "Label of a Workspace Sidebar Item"
	elif data.get("doctype") == "Report":
		yield data["report_name"], "Name of a report"
	elif data.get("doctype") == "Module Onboarding":
		for name in ("title", "subtitle", "success_message"):
			yield data.get(name, ""), f"{name} of the Module Onboarding '{data['name']}'"
	elif data.get("doctype") == "Onboarding Step":
		for name in ("title", "action_label", "description", "report_description"):
			yield data.get(name, ""), f"{name} of the Onboarding Step '{data.get('title')}'"


def _of_doctype(data: dict[str, Any]) -> Found:
	doctype = data["name"]
	yield doctype, "Name of a DocType"
	yield data.get("description", ""), "Description of a DocType"
	for field in data.get("fields", []):
		kind, label = field["fieldtype"], field.get("label") or field["fieldname"]
		yield field.get("label", ""), f"Label of a field in DocType '{doctype}'"
		yield field.get("description", ""), f"Description of the field '{label}' in DocType '{doctype}'"
		if kind == "Select":
			for option in (field.get("options") or "").split("\n"):
				if not option.isdigit():
					yield option, f"Option of the field '{label}' in DocType '{doctype}'"
		elif kind == "HTML":
			yield field.get("options", ""), f"Content of the field '{label}' in DocType '{doctype}'"
	for link in data.get("links", []):
		yield link.get("group", ""), f"Group in {doctype}'s connections"
	for permission in data.get("permissions", []):
		yield permission.get("role", ""), "Name of a role"


def _of_workspace(data: dict[str, Any]) -> Found:
	name = data["label"]
	yield name, "Name of a Workspace"
	for table in ("charts", "number_cards", "links", "shortcuts", "quick_lists"):
		for row in data.get(table, []):
			for part in ("label", "description", "format"):
				if (table, part) not in {("charts", "description"), ("shortcuts", "description")}:
					yield row.get(part) or "", f"{part} in the Workspace '{name}'"
	for block in json.loads(data.get("content") or "[]"):
		if block.get("type") in ("header", "paragraph"):
			yield block.get("data", {}).get("text", ""), f"Text in the Workspace '{name}'"
