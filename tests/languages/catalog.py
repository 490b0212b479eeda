"""Reads and writes the catalogues in ai_assistant/locale: gettext's format, of which Frappe uses the plain entries."""

import ast
from pathlib import Path

from .extraction import APP, messages

LOCALE = APP / "locale"
TEMPLATE = LOCALE / "main.pot"
HEADER = """Project-Id-Version: AI Assistant
MIME-Version: 1.0
Content-Type: text/plain; charset=UTF-8
Content-Transfer-Encoding: 8bit
"""


def read(path: Path) -> dict[str, str]:
	"""Returns the translations of a catalogue by their English; an empty string where one is missing."""
	entries: dict[str, str] = {}
	part, texts = "", {"msgid": "", "msgstr": ""}
	for line in [*path.read_text("utf-8").splitlines(), 'msgid ""']:
		if line.startswith("msgid "):
			if texts["msgid"]:
				entries[texts["msgid"]] = texts["msgstr"]
			texts = {"msgid": "", "msgstr": ""}
		if line.startswith(("msgid ", "msgstr ")):
			part, _space, line = line.partition(" ")
		if line.startswith('"'):
			texts[part] += ast.literal_eval(line)
	return entries


def write(path: Path, translations: dict[str, str], language: str = "") -> None:
	"""Writes a catalogue with the app's sentences of now, in their order in the alphabet."""
	lines = ['msgid ""', 'msgstr ""', *(_quoted(f"{line}\n") for line in HEADER.splitlines())]
	if language:
		lines.append(_quoted(f"Language: {language}\n"))
	for message, (files, comments) in sorted(messages().items()):
		lines.append("")
		lines += [f"#. {comment}" for comment in sorted(comments)]
		lines += [f"#: {file}" for file in sorted(files)]
		lines += [f"msgid {_quoted(message)}", f"msgstr {_quoted(translations.get(message, ''))}"]
	path.write_text("\n".join(lines) + "\n", "utf-8")


def _quoted(text: str) -> str:
	escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
	return f'"{escaped}"'
