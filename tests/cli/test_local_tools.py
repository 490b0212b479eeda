"""Functions of a file as tools: their definitions, the check of arguments, and results for the model."""

from pathlib import Path
from typing import Any

import pytest

from ai_assistant.chat.tools import tools_of
from ai_assistant.cli.local_tools import LocalTools

EXAMPLE = Path(__file__).parent.parent.parent / "docs" / "examples" / "tools.py"
SOURCE = '''
from __future__ import annotations
from json import dumps
from dataclasses import dataclass

@dataclass
class Place:
	city: str
	zone: str = "UTC"

def where(place: Place, *, far: bool = False) -> list[str]:
	"""Says where
	that is."""
	return [place.city, place.zone, str(far)]

def unsaid(x): return {x}
async def later(x: int) -> int: return x + 1
def leaves(): raise SystemExit("bye")
def fails(): raise OSError("no disk")
def _private(): pass
'''


@pytest.fixture
def tools(tmp_path: Path) -> LocalTools:
	(tmp_path / "own.py").write_text(SOURCE)
	return LocalTools(tmp_path / "own.py")


def call(name: str, arguments: str, **more: Any) -> dict[str, Any]:
	return {"id": "c", "type": "function", "function": {"name": name, "arguments": arguments}, **more}


def test_what_is_offered_is_what_a_site_takes(tools: LocalTools) -> None:
	assert [tool["function"]["name"] for tool in tools.offered] == [
		"fails",
		"later",
		"leaves",
		"unsaid",
		"where",
	]
	for offered in (tools.offered, LocalTools(EXAMPLE).offered):
		assert tools_of(offered) == offered
	where = tools.offered[-1]["function"]
	assert where["description"] == "Says where\nthat is."
	assert where["parameters"]["required"] == ["place"]


@pytest.mark.parametrize(
	("made", "told"),
	[
		(call("where", '{"place": {"city": "Ulm"}, "far": true}'), '["Ulm", "UTC", "True"]'),
		(call("unsaid", '{"x": "ä"}'), "\"{'ä'}\""),
		(call("where", '{"place": "Ulm"}'), "error: ValidationError: 1 validation error"),
		(call("where", "{}"), "error: ValidationError: 1 validation error"),
		(call("where", '{"place"'), "error: JSONDecodeError"),
		(call("where", "[1]"), "error: TypeError"),
		(call("fails", ""), "error: OSError: no disk"),
		(call("later", '{"x": 1}'), "2"),
		(call("leaves", "{}"), "error: SystemExit: bye"),
		(call("dumps", "{}"), "error: there is no tool dumps"),
		(call("_private", "{}"), "error: there is no tool _private"),
		(call("fails", "{", arguments_error="That is no JSON."), "error: That is no JSON."),
	],
)
def test_a_call_is_run_or_its_failure_is_told(tools: LocalTools, made: dict[str, Any], told: str) -> None:
	assert tools.run(made).startswith(told)


def test_the_examples_do_what_they_say() -> None:
	example = LocalTools(EXAMPLE)
	assert (
		example.run(call("count_words", '{"text": "a b\\nc"}')) == '{"words": 3, "lines": 2, "characters": 5}'
	)
	assert example.run(call("current_time", '{"utc_offset_hours": 5.5}')).endswith("+05:30")
