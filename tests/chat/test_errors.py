"""The parts of a failure that clients and administrators get."""

from ai_assistant.chat.errors import provider_failure
from ai_assistant.gateway import ProviderError


def test_one_whose_answer_took_too_long_learns_of_the_background_unless_it_was_there() -> None:
	late = ProviderError("total", provider="p", seconds="110")
	assert "longer than 110 seconds in all; one that does can be asked for in the background" in str(
		provider_failure(late, background=False)["message"]
	)
	assert provider_failure(late, background=True)["message"] == str(late)
