"""A number and its noun."""

from ai_assistant.operations.doctor.check import counted


def test_one_is_singular() -> None:
	assert [counted(number, "provider") for number in (0, 1, 2)] == [
		"0 providers",
		"1 provider",
		"2 providers",
	]
