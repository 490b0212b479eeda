"""Checks run in order, each with a deadline, and those that need a failed one are skipped."""

import threading

import pytest

from ai_assistant.operations.doctor.check import Check, CheckFailed, CheckResult, run_checks


def ill() -> str:
	raise CheckFailed("it is broken", "Mend it.")


def test_what_needs_a_failed_check_is_not_made() -> None:
	made: list[str] = []
	checks = [
		Check("ground", ill),
		Check("house", lambda: made.append("house") or "stands", needs=("ground",)),
		Check("roof", lambda: made.append("roof") or "stands", needs=("house",)),
		Check("garden", lambda: "grows"),
	]
	assert list(run_checks(checks)) == [
		CheckResult("ground", False, "it is broken", "Mend it."),
		CheckResult("house", None, "not checked (needs ground)"),
		CheckResult("roof", None, "not checked (needs house)"),
		CheckResult("garden", True, "grows"),
	]
	assert made == []


def test_a_check_that_hangs_is_left_at_its_deadline() -> None:
	never = threading.Event()
	checks = [Check("stuck", lambda: str(never.wait()), deadline_s=0.01), Check("next", lambda: "fine")]
	stuck, following = run_checks(checks)
	never.set()
	assert (stuck.ok, following.ok) == (False, True)
	assert "no answer within" in stuck.finding


def test_what_an_unexpected_error_says_is_not_shown() -> None:
	def leak() -> str:
		raise ValueError("sk-secret")

	(finding,) = run_checks([Check("leaky", leak)])
	assert finding.ok is False
	assert "sk-secret" not in str(finding) and "ValueError" in finding.finding


@pytest.mark.parametrize(
	("look", "names"), [(lambda: "well", ["first", "then", "last"]), (ill, ["first", "last"])]
)
def test_what_a_check_brings_with_it_follows_where_all_was_well(look: object, names: list[str]) -> None:
	first = Check("first", look, then=lambda: [Check("then", lambda: "well")])  # type: ignore[arg-type]
	assert [finding.name for finding in run_checks([first, Check("last", lambda: "well")])] == names


def test_each_check_that_is_made_is_announced() -> None:
	begun: list[str] = []
	list(run_checks([Check("a", ill), Check("b", ill, needs=("a",)), Check("c", lambda: "")], begun.append))
	assert begun == ["a", "c"]
