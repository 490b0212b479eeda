"""The names of APIs that may be configured."""

from ai_assistant.gateway import apis, door, openai_compatible


def test_they_are_our_own_and_litellms_without_importing_it() -> None:
	theirs = {str(getattr(each, "value", each)) for each in door.load().provider_list}
	assert theirs | {"openai_responses", *openai_compatible.APIS} == {
		name for name in apis() if not name.startswith("litellm/")
	}
	assert {f"litellm/{name}" for name in theirs} == {name for name in apis() if name.startswith("litellm/")}
