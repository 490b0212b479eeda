"""Tests rules that hold for all modules of the app and of its tests."""

import re
from collections.abc import Iterator
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
