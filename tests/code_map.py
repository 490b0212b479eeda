"""`python -m tests.code_map`: writes the list of modules into docs/code.md, from the first sentence of each docstring."""

import ast
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

ROOT = Path(__file__).parent.parent
APP, PAGE = ROOT / "ai_assistant", ROOT / "docs" / "code.md"
BEGIN, END = "<!-- python -m tests.code_map writes this list -->", "<!-- end of the list -->"
# The DocTypes have the names of their forms, a patch is never edited, and the rest is for tests.
LEFT_OUT = {"ai_assistant", "patches", "public", "locale", "contract", "node_modules"}


def _modules() -> Iterator[tuple[str, str, str]]:
	"""Yields the package, the module and the first sentence of each module."""
	for path in sorted(APP.rglob("*.py"), key=lambda path: (path.parent, path.name)):
		parts = path.relative_to(APP).parts
		if LEFT_OUT & set(parts[:-1]) or path.stem.startswith("test_") or path.stem.endswith("_tests"):
			continue
		docstring = ast.get_docstring(ast.parse(path.read_text()))
		if path.name != "for_tests.py" and docstring:
			summary = " ".join(docstring.split("\n\n")[0].split()).replace("|", "\\|")
			yield "/".join(parts[:-1]), path.name, summary


def page() -> str:
	"""Returns docs/code.md with the list of the modules as they are."""
	lines = []
	for package, modules in groupby(_modules(), key=lambda module: module[0]):
		rows = [f"| `{name}` | {summary} |" for _package, name, summary in modules]
		lines += [f"### `ai_assistant/{package}{'/' if package else ''}`", "", "| module | what it does |"]
		lines += ["| --- | --- |", *rows, ""]
	before, _begin, rest = PAGE.read_text().partition(BEGIN)
	_list, _end, after = rest.partition(END)
	return f"{before}{BEGIN}\n\n" + "\n".join(lines) + f"\n{END}{after}"


if __name__ == "__main__":
	PAGE.write_text(page())
	print(f"Written: {PAGE.relative_to(ROOT)}.")
