"""The wheel that `bench get-app` and pip build holds everything that the app is."""

import json
import re
import subprocess
import sys
import zipfile
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
APP = ROOT / "ai_assistant"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
	from flit_core import buildapi

	folder = tmp_path_factory.mktemp("wheel")
	# flit builds what stands in the current folder.
	build = f"from flit_core import buildapi; print(buildapi.build_wheel({str(folder)!r}))"
	subprocess.run([sys.executable, "-c", build], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
	assert buildapi
	return zipfile.ZipFile(next(folder.glob("*.whl")))


def test_the_wheel_is_named_as_bench_names_the_app(wheel: zipfile.ZipFile) -> None:
	assert Path(str(wheel.filename)).name.startswith("ai_assistant-")


def test_the_wheel_has_every_file_of_the_package(wheel: zipfile.ZipFile) -> None:
	built = set(wheel.namelist())
	tracked = subprocess.run(
		["git", "ls-files", "ai_assistant"], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
	).stdout.split()
	assert len(tracked) > 30
	assert set(tracked) <= built
	assert {"ai_assistant/modules.txt", "ai_assistant/patches.txt", "ai_assistant/hooks.py"} <= built


def test_the_filter_of_each_shortcut_has_four_elements() -> None:
	"""Frappe 16 drops the last filter of a shortcut whose filters have five (`cleanup_filters`, utils.js)."""
	(page,) = APP.glob("ai_assistant/workspace/*/*.json")
	shortcuts = json.loads(page.read_text())["shortcuts"]
	filters = [part for shortcut in shortcuts for part in json.loads(shortcut.get("stats_filter") or "[]")]
	assert len(filters) == 4
	assert [len(part) for part in filters] == [4] * 4, filters


def test_frappe_is_no_dependency_of_pip(wheel: zipfile.ZipFile) -> None:
	metadata = next(name for name in wheel.namelist() if name.endswith("METADATA"))
	lines = wheel.read(metadata).decode().splitlines()
	assert not [line for line in lines if line.lower().startswith("requires-dist: frappe")]


@pytest.mark.parametrize("module", ["ai_assistant.api", "ai_assistant.cli", "ai_assistant.gateway"])
def test_importing_does_not_import_litellm(module: str) -> None:
	code = (
		"from ai_assistant.standalone import stand_in; stand_in.install();"
		f"import {module}, sys; sys.exit('litellm' in sys.modules)"
	)
	subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def dependencies() -> list[Requirement]:
	return [Requirement(requirement) for requirement in requires("ai_assistant") or []]


def locked() -> dict[str, str]:
	"""The version of each package in requirements.lock."""
	return dict(re.findall(r"^([a-z0-9.-]+)==(\S+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE))


def test_what_is_locked_is_what_the_project_asks_for() -> None:
	versions = locked()
	for dependency in dependencies():
		assert dependency.specifier.contains(versions[dependency.name.lower().replace("_", "-")]), dependency


def test_each_locked_package_has_hashes_and_none_names_the_host_it_came_from() -> None:
	entries = re.split(r"\n(?=\S)", (ROOT / "requirements.lock").read_text().strip())
	assert len(entries) == len(locked()) > 40
	for entry in entries:
		assert "--hash=sha256:" in entry, entry
		assert not re.search(r"://|@|--(index|extra|find)", entry), entry


def test_litellms_malicious_releases_are_outside_its_range() -> None:
	(litellm,) = [dependency for dependency in dependencies() if dependency.name == "litellm"]
	for version in ("1.82.7", "1.82.8", "1.107.0"):
		assert not litellm.specifier.contains(version)


def test_each_dependency_has_its_line_in_the_docs() -> None:
	lines = (ROOT / "docs" / "dependencies.md").read_text().splitlines()
	for dependency in dependencies():
		(line,) = [line for line in lines if line.startswith(f"| `{dependency.name}` |")]
		for part in str(dependency.specifier).split(","):
			assert part in line, f"{dependency.name}: {part}"
	assert len([line for line in lines if line.startswith("| `")]) == len(dependencies())
