"""Tests that any JSON of a client is a valid request or is refused by name."""

import json
from dataclasses import asdict, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_assistant.chat import request
from ai_assistant.chat.errors import ChatError
from ai_assistant.chat.messages import MAX_CHARS
from ai_assistant.chat.request import ChatRequest, validate
from ai_assistant.config.settings import MODES, Alias, Limits, Mode, Settings
from ai_assistant.gateway import ModelInfo, Provider

SETTINGS = Settings(
	providers=(Provider("one", "openai", "k", "m", ("m",)), Provider("two", "anthropic", "k", "c")),
	modes={mode.name: mode for mode in MODES},
)
FIELDS = ("messages", "mode", "task_id", "request_id", "provider", "model", "temperature", "max_tokens")
TOOLS = ("tools", "tool_choice")
JSON = st.recursive(
	st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
	lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
	max_leaves=8,
)
MESSAGES = st.lists(
	st.fixed_dictionaries(
		{
			"role": st.sampled_from(["system", "user", "assistant", "robot"]),
			"content": st.text(st.characters(codec=None)),
		}
	),
	min_size=1,
	max_size=3,
)


@pytest.mark.parametrize(
	("messages", "expected"),
	[
		([{"role": "user", "content": "  Why is\n\tthe sky  blue?\n"}], "Why is the sky blue?"),
		([{"role": "user", "content": "first"}, {"role": "assistant", "content": "x"}, {"role": "user", "content": "last"}], "last"),
		([{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}], "a b"),
		([{"role": "user", "content": "x" * 500}], "x" * 140),
	],
)  # fmt: skip
def test_the_excerpt_is_the_beginning_of_the_last_question_on_one_line(messages: Any, expected: str) -> None:
	assert validate({"messages": messages}, SETTINGS).excerpt == expected


def _check(fields: dict[str, Any]) -> None:
	try:
		request = validate(fields, SETTINGS)
	except ChatError as error:
		assert error.code == "invalid_request"
		message = str(error)
		assert message.endswith(".") and "\n" not in message
		assert any(name in message for name in (*FIELDS, "reasoning_effort", "background", *TOOLS))
		return
	assert 1 <= len(request.task_id) <= 140 and 8 <= len(request.request_id) <= 64
	assert request.mode in SETTINGS.modes
	assert request.temperature is None or 0 <= request.temperature <= 2
	assert request.max_tokens is None or 1 <= request.max_tokens <= 32_000
	for sent in (request.messages, request.tools, request.tool_choice):
		json.dumps(sent, ensure_ascii=False).encode()


@given(
	st.fixed_dictionaries(
		{}, optional={name: JSON for name in (*FIELDS, "reasoning_effort", "background", *TOOLS)}
	)
)
def test_any_json_is_taken_or_refused_by_name(fields: dict[str, Any]) -> None:
	_check(fields)


@given(MESSAGES, st.sampled_from((*FIELDS[1:], *TOOLS)), JSON)
def test_one_wrong_field_beside_good_ones_is_taken_or_refused_by_name(
	messages: list[dict[str, str]], name: str, value: Any
) -> None:
	_check({"messages": messages, name: value})


KEYS = st.sampled_from(
	"type function name description parameters properties $ref items arguments role content id tool_calls"
	" tool_call_id continuation image_url url text".split()
)
VALUES = st.sampled_from(
	[
		*"function object string array tool assistant user image_url text a https://example.com/x.png".split(),
		*("data:image/png;base64,eA==", "", None, 1),
	]
)
LIKELY = st.recursive(
	VALUES,
	lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
	max_leaves=12,
)


@given(st.lists(LIKELY, max_size=3), LIKELY, LIKELY)
def test_what_looks_like_tools_and_calls_is_taken_or_refused_by_name(
	messages: list[Any], tool: Any, choice: Any
) -> None:
	_check({"messages": messages, "tools": [tool], "tool_choice": choice})
	_check({"messages": [{"role": "user", "content": "x"}], "tools": [tool]})


def test_the_mode_gives_what_the_client_leaves_out() -> None:
	request = validate({"messages": [{"role": "user", "content": "x"}], "mode": "agent"}, SETTINGS)
	assert request.reasoning_effort == "medium"
	assert request.messages[0]["role"] == "system"
	given_effort = validate(
		{"messages": [{"role": "user", "content": "x"}], "mode": "agent", "reasoning_effort": "low"}, SETTINGS
	)
	assert given_effort.reasoning_effort == "low"


def test_the_modes_system_prompt_and_the_clients_are_one() -> None:
	own = {"role": "developer", "content": "Answer in German."}
	request = validate({"messages": [own, {"role": "user", "content": "x"}], "mode": "agent"}, SETTINGS)
	assert [message["role"] for message in request.messages] == ["system", "user"]
	assert request.messages[0]["content"].endswith("\n\nAnswer in German.")
	assert request.messages[0]["content"].startswith(SETTINGS.modes["agent"].system_prompt or "?")


def test_a_site_without_providers_says_so() -> None:
	try:
		validate({"messages": [{"role": "user", "content": "x"}]}, Settings(modes=SETTINGS.modes))
	except ChatError as error:
		assert error.code == "not_configured"
	else:
		raise AssertionError("a request without a provider was taken")


HELLO = [{"role": "user", "content": "hello"}]


def test_the_default_provider_is_asked_where_nothing_names_another() -> None:
	settings = Settings(SETTINGS.providers, SETTINGS.modes, default_provider="two")
	for fields, expected in (
		({}, ("two", "")),
		({"provider": "one"}, ("one", "")),
		({"model": "c"}, ("two", "c")),
	):
		request = validate({"messages": HELLO, **fields}, settings)
		assert (request.provider, request.model) == expected
	# One that does not have the model leaves it to the others.
	settings = Settings(SETTINGS.providers, SETTINGS.modes, default_provider="one")
	assert validate({"messages": HELLO, "model": "c"}, settings).provider is None


@pytest.mark.parametrize(
	("model", "taken"),
	[
		("gpt-4.1", True),
		("org/name:tag@2", True),
		("arn:aws:bedrock:us-east-1:1:inference-profile/us.x", True),
		("<img src=x onerror=alert(1)>", False),
		("a\nb", False),
		("../../v1/files", False),
		("a/..", False),
		("https://elsewhere.example/v1", False),
		("//elsewhere.example/v1", False),
		("v1.5:free", True),
		("a\ud800", False),
		("x" * 141, False),
	],
)
def test_any_model_is_still_the_name_of_one(model: str, taken: bool) -> None:
	fields = {"messages": HELLO, "provider": "two", "model": model}
	if taken:
		assert validate(fields, SETTINGS).model == model
	else:
		with pytest.raises(ChatError, match="model accepts one of"):
			validate(fields, SETTINGS)


def test_the_fingerprint_of_a_request_is_the_same_in_every_process() -> None:
	fields = {"messages": HELLO, "task_id": "t", "temperature": 0.5, "request_id": "12345678"}
	digest = "571100089c40fb13a5b00cae178bc638cda4b50fa7fb820ff590df07a9f552f2"
	assert validate(fields, SETTINGS).fingerprint == digest


def test_the_tools_are_part_of_the_question() -> None:
	tool = {"type": "function", "function": {"name": "clock", "parameters": {"type": "object"}}}
	fields = {"messages": HELLO, "request_id": "12345678", "tools": [tool]}
	others: list[dict[str, Any]] = [
		{"tools": None},
		{"tools": [tool, {**tool, "function": {"name": "other"}}]},
		{"tool_choice": "required"},
	]
	prints = {validate({**fields, **other}, SETTINGS).fingerprint for other in ({}, *others)}
	assert len(prints) == 4


def test_a_question_that_an_earlier_version_queued_can_still_be_asked() -> None:
	question = asdict(validate({"messages": HELLO}, SETTINGS))
	assert question.pop("tools") is None and question.pop("tool_choice") is None
	assert ChatRequest(**question).tools is None


@pytest.mark.parametrize("tools", [None, ""])
def test_a_choice_without_tools_is_refused(tools: Any) -> None:
	with pytest.raises(ChatError, match="tool_choice accepts a value beside tools alone"):
		validate({"messages": HELLO, "tools": tools, "tool_choice": "auto"}, SETTINGS)


def test_a_mode_gives_what_the_client_leaves_out_and_nothing_else() -> None:
	mode = Mode("poet", provider="two", model="verse", temperature=0.7, reasoning_effort="low")
	settings = replace(SETTINGS, modes={"poet": mode})
	plain = validate({"messages": HELLO, "mode": "poet"}, settings)
	assert (plain.provider, plain.model) == ("two", "verse")
	assert (plain.temperature, plain.reasoning_effort) == (0.7, "low")
	own = {"provider": "one", "model": "m", "temperature": 0, "reasoning_effort": "none"}
	request = validate({"messages": HELLO, "mode": "poet", **own}, settings)
	assert (request.provider, request.model) == ("one", "m")
	assert (request.temperature, request.reasoning_effort) == (0, "none")


def test_tools_are_counted_with_the_messages() -> None:
	plain = validate({"messages": HELLO}, SETTINGS)
	tools = [{"type": "function", "function": {"name": "clock", "parameters": {}}}]
	request = validate({"messages": HELLO, "tools": tools}, SETTINGS)
	assert request.prompt_bytes == plain.prompt_bytes + len(json.dumps(request.tools))


def test_an_alias_is_resolved_to_a_provider_and_a_model() -> None:
	settings = replace(SETTINGS, aliases={"fast": Alias("fast", "two", "c-4"), "m": Alias("m", "two", "c")})
	request = validate({"messages": HELLO, "model": "fast"}, settings)
	assert (request.provider, request.model) == ("two", "c-4")
	# An alias wins over a model of the same name.
	request = validate({"messages": HELLO, "model": "m"}, settings)
	assert (request.provider, request.model) == ("two", "c")
	request = validate({"messages": HELLO, "model": "m", "provider": "one"}, settings)
	assert (request.provider, request.model) == ("one", "m")
	with pytest.raises(ChatError, match="model accepts one of: m"):
		validate({"messages": HELLO, "model": "fast", "provider": "one"}, settings)


def test_the_same_question_stays_the_same_when_an_alias_means_another_model() -> None:
	before = replace(SETTINGS, aliases={"fast": Alias("fast", "two", "c-4")})
	after = replace(SETTINGS, aliases={"fast": Alias("fast", "one", "m")})
	fields = {"messages": HELLO, "model": "fast", "task_id": "t"}
	assert validate(fields, before).fingerprint == validate(fields, after).fingerprint
	assert validate(fields, after).model == "m"


def sized(*windows: int | None, limits: Limits = Limits()) -> Settings:  # noqa: B008
	"""Settings with a provider for each context window."""
	providers = tuple(
		Provider(f"p{n}", "openai", "k", "m", ("m",), details={"m": ModelInfo(context_window=window)})
		for n, window in enumerate(windows)
	)
	return replace(SETTINGS, providers=providers, limits=limits)


@pytest.mark.parametrize(
	("settings", "most"),
	[
		(sized(1000), 4000),
		(sized(None), MAX_CHARS),
		(sized(1000, 2000), 8000),
		(sized(1000, None), MAX_CHARS),
		(sized(1_000_000, None), 4_000_000),
		(sized(1000, limits=Limits(max_chars=7)), 7),
	],
)
def test_messages_may_have_what_the_largest_window_holds(settings: Settings, most: int) -> None:
	assert validate({"messages": [{"role": "user", "content": "x" * most}]}, settings)
	with pytest.raises(ChatError) as refused:
		validate({"messages": [{"role": "user", "content": "x" * (most + 1)}]}, settings)
	if most in (MAX_CHARS, 7):
		assert f"at most {most} characters in all; these are {most + 1}" in str(refused.value)
	else:
		# The window that holds the most, and about how many tokens the messages have.
		assert refused.value.code == "context_too_long"
		assert f"about {most // 4 + 1} tokens (estimated)" in str(refused.value)
		assert f"accepts {most // 4};" in str(refused.value)


def test_a_question_that_waits_for_a_worker_fits_into_one_value(monkeypatch: pytest.MonkeyPatch) -> None:
	monkeypatch.setattr(request, "MAX_QUEUED_BYTES", 1000)
	fields = {"messages": [{"role": "user", "content": "x" * 1000}]}
	assert validate(fields, SETTINGS)
	with pytest.raises(ChatError, match="at most 1000 bytes of JSON in the background"):
		validate({**fields, "background": True}, SETTINGS)


def test_a_request_that_answers_a_call_continues() -> None:
	call = {"id": "c1", "type": "function", "function": {"name": "clock", "arguments": "{}"}}
	messages = [
		{"role": "user", "content": "What time?"},
		{"role": "assistant", "content": None, "tool_calls": [call]},
		{"role": "tool", "tool_call_id": "c1", "content": "noon"},
	]
	assert validate({"messages": messages}, SETTINGS).is_continuation
	for others in (messages[:1], [*messages, {"role": "user", "content": "And now?"}]):
		assert not validate({"messages": others}, SETTINGS).is_continuation
