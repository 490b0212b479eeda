"""Who may use which provider and model: by role, and by AI Key."""

import pytest

from ai_assistant.chat.errors import ChatError
from ai_assistant.chat.request import be_ready, validate
from ai_assistant.config.access import permitted
from ai_assistant.config.settings import MODES, Alias, ConfiguredProvider, Settings
from ai_assistant.keys import Key

BIG = ConfiguredProvider(
	"big", "openai", "k", "m", ("m", "large", "*"), roles=("Sales", "Research"), model_roles={"large": ("Research",)}
)  # fmt: skip
SMALL = ConfiguredProvider("small", "openai", "k", "s", ("s", "t"), priority=200)
SETTINGS = Settings(
	providers=(BIG, SMALL),
	modes={mode.name: mode for mode in MODES},
	aliases={
		"smart": Alias("smart", "big", "large"),
		"fast": Alias("fast", "small", "s"),
		"any": Alias("any", "big", "something-else"),
	},
)
HELLO = [{"role": "user", "content": "x"}]


def models(settings: Settings) -> dict[str, tuple[str, ...]]:
	return {provider.name: provider.models for provider in settings.providers}


def key(*names: str) -> Key:
	return Key("k", "ann@example.com", names)


def test_without_a_role_of_its_own_a_provider_is_for_every_user() -> None:
	limited = permitted(SETTINGS, ["AI Assistant User"])
	assert models(limited) == {"small": ("s", "t")}
	assert list(limited.aliases) == ["fast"]
	assert limited.default == SMALL


def test_a_model_with_roles_is_withheld_from_users_without_one_of_them() -> None:
	limited = permitted(SETTINGS, {"Sales"})
	assert models(limited) == {"big": ("m", "*"), "small": ("s", "t")}
	big = limited.provider("big")
	# `*` allows any model but this one.
	assert big and not big.allows("large") and big.allows("another")
	assert sorted(limited.aliases) == ["any", "fast"]


def test_one_who_may_use_everything_gets_the_settings_as_they_are() -> None:
	assert permitted(SETTINGS, ["Research"]) is SETTINGS
	assert permitted(SETTINGS, ["Research"], key()) is SETTINGS


@pytest.mark.parametrize(
	("names", "expected"),
	[
		(("s",), {"big": ("s",), "small": ("s",)}),
		(("small/s", "small/unknown"), {"small": ("s",)}),
		(("t",), {"big": ("t",), "small": ("t",)}),
		(("fast",), {"small": ("s",)}),
		(("smart", "m"), {"big": ("large", "m")}),
		(("big/x/y", "small/t", "small/t"), {"big": ("x/y",), "small": ("t",)}),
	],
)
def test_a_key_limits_the_models(names: tuple[str, ...], expected: dict[str, tuple[str, ...]]) -> None:
	assert models(permitted(SETTINGS, ["Research"], key(*names))) == expected


def test_a_default_model_that_is_denied_is_replaced_by_one_that_is_permitted() -> None:
	limited = permitted(SETTINGS, [], key("t"))
	assert [provider.default_model for provider in limited.providers] == ["t"]


def test_a_key_permits_nothing_that_the_roles_of_its_user_do_not() -> None:
	limited = permitted(SETTINGS, [], key("smart", "big/m", "large"))
	assert limited.providers == ()
	with pytest.raises(ChatError, match="permit none") as refused:
		be_ready(limited)
	assert refused.value.code == "not_permitted"


@pytest.mark.parametrize("name", ["*", "big/*"])
def test_a_key_for_any_model_does_not_permit_one_that_is_withheld(name: str) -> None:
	big = permitted(SETTINGS, {"Sales"}, key(name)).provider("big")
	assert big and big.allows("another") and not big.allows("large")


@pytest.mark.parametrize("name", ["Large", "LARGE ", "models/large", " models/Large"])
def test_another_spelling_of_a_withheld_model_is_withheld(name: str) -> None:
	big = permitted(SETTINGS, {"Sales"}).provider("big")
	assert big and not big.allows(name)


def test_a_request_reaches_what_is_permitted_and_nothing_else() -> None:
	limited = permitted(SETTINGS, {"Sales"})
	assert validate({"messages": HELLO, "model": "m"}, limited).model == "m"
	for fields in (
		{"model": "large"},
		{"provider": "big", "model": "large"},
		{"provider": "small", "model": "m"},
	):
		with pytest.raises(ChatError, match="model accepts one of"):
			validate({"messages": HELLO, **fields}, limited)
	with pytest.raises(ChatError, match="provider accepts one of: small"):
		validate({"messages": HELLO, "provider": "big"}, permitted(SETTINGS, []))
