"""Tests rules that hold for all modules of the app and of its tests."""

import ast
import re
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from tests import code_map

ROOT = Path(__file__).parent.parent
MAX_LINES = 350
# Authors of extensions copy this file (docs/streaming.md).
COPIED = ROOT / "ai_assistant" / "public" / "js" / "realtime_manager.js"
OF_MARIADB = re.compile(
	r"ON DUPLICATE KEY|FORCE INDEX|USE INDEX|SET STATEMENT|SET SESSION|SHOW VARIABLES|JSON_\w+\(|UNIX_TIMESTAMP\(|FROM_UNIXTIME\("
	r"|\bIF\(|\bIFNULL\(|GROUP_CONCAT|INSERT IGNORE|REPLACE INTO|SKIP LOCKED|INTERVAL %|\bBINARY \w|utf8mb4|\bSUM\(\w+ [<>=]"
	r"|json_\w+\(`|\bsum\(if\(|information_schema",
)


def modules(*folders: str) -> Iterator[Path]:
	for folder in folders:
		for path in sorted((ROOT / folder).rglob("*")):
			built = {"node_modules", "dist"} & set(path.relative_to(ROOT).parts)
			if path.suffix in (".py", ".js", ".mjs") and not built:
				yield path


def test_no_module_is_longer_than_350_lines() -> None:
	lines = {
		path: len(path.read_text().splitlines()) for path in modules("ai_assistant", "tests", "examples")
	}
	long = {str(path.relative_to(ROOT)): count for path, count in lines.items() if count > MAX_LINES}
	assert long.keys() == {str(COPIED.relative_to(ROOT))}, long


def test_sql_that_only_mariadb_understands_is_in_one_file() -> None:
	"""Patches and tests are left out: they run once, or on MariaDB alone."""
	left_out = re.compile(r"/(test_\w+|bench_tests|mariadb)\.py$|/(patches|standalone|contract)/")
	inside = {
		str(path.relative_to(ROOT)): match[0]
		for path in modules("ai_assistant")
		if path.suffix == ".py" and not left_out.search(str(path))
		if (match := OF_MARIADB.search(path.read_text()))
	}
	assert inside == {}


def test_the_page_about_the_code_lists_the_modules() -> None:
	assert code_map.PAGE.read_text() == code_map.page(), "python -m tests.code_map writes it anew"


def test_no_import_is_a_circle() -> None:
	"""An import of a module of another package also runs that package's `__init__`. Imports in functions are left out."""
	paths = {_name(path): path for path in modules("ai_assistant") if path.suffix == ".py"}
	graph = {name: set(_imported(name, path, paths)) - {name} for name, path in paths.items()}
	try:
		TopologicalSorter(graph).prepare()
	except CycleError as error:
		raise AssertionError(" → ".join(error.args[1])) from None


def _name(path: Path) -> str:
	return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def _imported(name: str, path: Path, paths: dict[str, Path]) -> Iterator[str]:
	package = name if path.name == "__init__.py" else name.rpartition(".")[0]
	for statement in ast.parse(path.read_text()).body:
		if isinstance(statement, ast.Import):
			targets = [alias.name for alias in statement.names]
		elif isinstance(statement, ast.ImportFrom):
			parts = package.split(".")[: -statement.level + 1 or None] if statement.level else []
			base = ".".join([*parts, *([statement.module] if statement.module else [])])
			names = {f"{base}.{alias.name}" for alias in statement.names}
			targets = [*(names & paths.keys()), *([] if names <= paths.keys() else [base])]
		else:
			continue
		for target in targets:
			for end in range(1, target.count(".") + 2):
				part = ".".join(target.split(".")[:end])
				is_around = f"{name}.".startswith(f"{part}.") and part != target
				if part in paths and not is_around:
					yield part
