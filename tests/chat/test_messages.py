"""Tests messages with tool calls and images: valid ones stay unchanged, wrong ones are refused by name."""

import base64
import json
from typing import Any

import pytest

from ai_assistant.chat.errors import ChatError
from ai_assistant.chat.messages import (
	MAX_CALLS,
	MAX_CHARS,
	MAX_CONTINUATION,
	MAX_IMAGE_CHARS,
	MAX_IMAGE_MB,
	MAX_IMAGES,
	MAX_PARTS,
	messages_of,
	with_system_prompt,
)
from ai_assistant.gateway.sizes import ATTACHMENT_BYTES, bytes_of

# The most messages, and the most characters in them.
MESSAGES = 10_000
LIMITS = (MESSAGES, MAX_CHARS)
ASKED = {"role": "user", "content": "What time is it?"}
PNG = "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()


def call(id: str = "call_1", name: str = "clock", arguments: str = "{}", **more: Any) -> dict[str, Any]:
	return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}, **more}


def calls(*made: Any, **more: Any) -> dict[str, Any]:
	return {"role": "assistant", "content": None, "tool_calls": list(made), **more}


def answered(id: Any = "call_1", content: Any = "Noon.") -> dict[str, Any]:
	return {"role": "tool", "tool_call_id": id, "content": content}


def image(url: Any, **more: Any) -> dict[str, Any]:
	return {"role": "user", "content": [{"type": "image_url", "image_url": {"url": url, **more}}]}


BEGINS = {
	"png": b"\x89PNG\r\n\x1a\n",
	"jpeg": b"\xff\xd8\xff\xe0",
	"gif": b"GIF89a",
	"webp": b"RIFF\n\x00\x00\x00WEBP",
}


def data(kind: str, size: int, label: str = "") -> str:
	held = BEGINS.get(kind, b"").ljust(size, b"x")
	return f"data:{label or f'image/{kind}'};base64," + base64.b64encode(held).decode()


TWO = calls(call("a"), call("b"))


@pytest.mark.parametrize(
	"messages",
	[
		[ASKED, calls(call()), answered()],
		[ASKED, calls(call(arguments="{broken")), answered(content="That is no JSON.")],
		[ASKED, TWO, answered("b"), answered("a"), ASKED],
		[ASKED, calls(call()), answered(), calls(call()), answered()],
		[ASKED, {**calls(call(), continuation="c2lnbmVk"), "content": "Let me look."}, answered(content="")],
		[ASKED, calls(call()), answered(content=[{"type": "text", "text": "Noon."}])],
		[{"role": "assistant", "content": "Hi.", "continuation": "c2ln-_+/=="}, ASKED],
		[image(PNG)],
		[image("https://example.com/a%20b.png?x=1", detail="low")],
		[image("https://[2001:db8::1]:8443/a.png")],
		[{"role": "user", "content": [{"type": "text", "text": "Look:"}, *image(PNG)["content"]]}],
		*([image(data(kind, 9))] for kind in ("jpeg", "gif", "webp")),
		[image(data("png", MAX_IMAGE_MB * 2**20))],
		[image(PNG)] * MAX_IMAGES,
	],
)
def test_what_is_valid_stays_as_it_was_sent(messages: list[dict[str, Any]]) -> None:
	assert messages_of(messages, *LIMITS) == messages
	assert messages_of(json.dumps(messages), *LIMITS) == messages


@pytest.mark.parametrize("kind", BEGINS)
@pytest.mark.parametrize("label", ["image/png", "image/jpg", "IMAGE/WEBP", "application/octet-stream", ""])
def test_an_image_is_called_what_its_bytes_are(kind: str, label: str) -> None:
	value = data(kind, 99, label) if label else data(kind, 99).replace(f"image/{kind}", "")
	assert messages_of([image(value)], *LIMITS) == [image(data(kind, 99))]


def test_a_developer_is_a_system() -> None:
	told = messages_of([{"role": "developer", "content": "Be brief."}, ASKED], *LIMITS)
	assert told == [{"role": "system", "content": "Be brief."}, ASKED]


@pytest.mark.parametrize("content", [None, "", []])
def test_a_turn_of_the_model_may_be_empty(content: Any) -> None:
	told = messages_of([ASKED, {"role": "assistant", "content": content}, ASKED], *LIMITS)
	assert told == [ASKED, {"role": "assistant", "content": ""}, ASKED]


PARTS = [{"type": "text", "text": "Be "}, {"type": "text", "text": "kind."}]


@pytest.mark.parametrize(
	("prompt", "own", "joined"),
	[
		("Be brief.", [], "Be brief."),
		("Be brief.", ["Be exact."], "Be brief.\n\nBe exact."),
		("Be brief.", [PARTS, "", "Be exact."], "Be brief.\n\nBe kind.\n\nBe exact."),
		(None, ["Be brief.", PARTS], "Be brief.\n\nBe kind."),
		(None, [], None),
		("", [""], None),
	],
)
def test_there_is_one_system_message(prompt: str | None, own: list[Any], joined: str | None) -> None:
	rest = [ASKED, {"role": "system", "content": "Now in German."}, ASKED]
	messages = [*({"role": "system", "content": content} for content in own), *rest]
	system = [{"role": "system", "content": joined}] if joined else []
	assert with_system_prompt(prompt, messages) == [*system, *rest]


def test_an_answers_tool_calls_can_be_put_straight_back() -> None:
	told = [call(arguments="{", arguments_error="The arguments are no JSON object.")]
	message = {**calls(*told, continuation=None), "content": ""}
	assert messages_of([ASKED, message, answered()], *LIMITS)[1] == calls(call(arguments="{"))


def test_what_no_provider_knows_is_left_out() -> None:
	messages = [
		{**ASKED, "name": "ann", "continuation": "of a user"},
		{**calls(call(index=0)), "refusal": None},
		{**answered(), "name": "clock"},
	]
	assert messages_of(messages, *LIMITS) == [ASKED, calls(call()), answered()]
	# One that calls nothing is no message with calls.
	assert messages_of([{"role": "user", "content": "x", "tool_calls": "y"}], *LIMITS) == [
		{"role": "user", "content": "x"}
	]


def test_lone_surrogates_are_replaced_in_arguments_too() -> None:
	converted = messages_of([ASKED, calls(call(arguments='"\ud83d"')), answered(content="\ud83d")], *LIMITS)
	assert converted[1]["tool_calls"][0]["function"]["arguments"] == '"\ufffd"'
	assert converted[2]["content"] == "\ufffd"


BAD: list[tuple[str, list[Any], str]] = [
	("an answer to nothing", [ASKED, answered()], "messages[1].tool_call_id accepts the id of a call"),
	(
		"an answer to another id",
		[ASKED, calls(call()), answered("call_2")],
		"messages[2].tool_call_id accepts",
	),
	("an answer twice", [ASKED, calls(call()), answered(), answered()], "messages[3].tool_call_id accepts"),
	(
		"an answer too late",
		[calls(call()), answered(), ASKED, answered()],
		"messages[3].tool_call_id accepts",
	),
	(
		"a call that nobody answers",
		[ASKED, calls(call())],
		"messages[1].tool_calls[0] needs the tool message",
	),
	(
		"one of two unanswered",
		[TWO, answered("a"), ASKED],
		"messages[0].tool_calls[1] needs the tool message",
	),
	("a user before the answer", [calls(call()), ASKED, answered()], "messages[0].tool_calls[0] needs"),
	(
		"a call before the answer",
		[calls(call()), calls(call()), answered()],
		"messages[0].tool_calls[0] needs",
	),
	("an answer without an id", [calls(call()), answered(None)], "messages[1].tool_call_id accepts the id"),
	(
		"an answer with an id of no text",
		[calls(call()), answered(1)],
		"messages[1].tool_call_id accepts the id",
	),
	("an answer without content", [calls(call()), answered(content=None)], "messages[1].content accepts"),
	(
		"no calls in the list",
		[{**calls(), "content": "x"}],
		"messages[0].tool_calls accepts a list of at least",
	),
	(
		"calls that are no list",
		[{**calls(), "tool_calls": {"id": "x"}}],
		"messages[0].tool_calls accepts a list",
	),
	("a call that is no object", [calls("x"), answered()], "messages[0].tool_calls[0] accepts an object"),
	("a call of another type", [calls(call(type="custom"))], "messages[0].tool_calls[0] accepts an object"),
	("a call without an id", [calls({**call(), "id": None})], "messages[0].tool_calls[0].id accepts the id"),
	("an id with a line break", [calls(call("a\n"))], "messages[0].tool_calls[0].id accepts the id"),
	("an id too long", [calls(call("x" * 513))], "messages[0].tool_calls[0].id accepts the id"),
	("an id with a space", [calls(call("a b"))], "messages[0].tool_calls[0].id accepts the id"),
	("the same id twice", [calls(call(), call())], "messages[0].tool_calls accepts each id once"),
	("a call without a function", [calls({**call(), "function": None})], "tool_calls[0].function accepts"),
	("arguments that are no text", [calls(call(arguments={}))], "tool_calls[0].function accepts"),  # type: ignore[arg-type]
	("a name with a space", [calls(call(name="a b"))], "tool_calls[0].function.name accepts 1 to 128"),
	(
		"a name with a line break",
		[calls(call(name="clock\n"))],
		"tool_calls[0].function.name accepts 1 to 128",
	),
	("a name too long", [calls(call(name="x" * 129))], "tool_calls[0].function.name accepts 1 to 128"),
	(
		"a continuation of no text",
		[{**ASKED, "role": "assistant", "continuation": {}}],
		"[0].continuation accepts",
	),
	(
		"an empty continuation",
		[{**ASKED, "role": "assistant", "continuation": ""}],
		"[0].continuation accepts",
	),
	(
		"a continuation with a line break",
		[{**calls(call()), "continuation": "a\nb"}],
		"[0].continuation accepts",
	),
	("a continuation with an accent", [{**calls(call()), "continuation": "é"}], "[0].continuation accepts"),
	(
		"an image of the assistant",
		[{**image(PNG), "role": "assistant"}],
		'content[0] accepts an object {"type": "text"',
	),
	(
		"an image of a system",
		[{**image(PNG), "role": "system"}],
		'content[0] accepts an object {"type": "text"',
	),
	(
		"an image of a tool",
		[calls(call()), answered(content=image(PNG)["content"])],
		"messages[1].content[0] accepts",
	),
	(
		"a part of another type",
		[{**ASKED, "content": [{"type": "input_audio"}]}],
		"content[0] accepts an object",
	),
	(
		"an image as a string",
		[{**ASKED, "content": [{"type": "image_url", "image_url": PNG}]}],
		"image_url accepts",
	),
	("an image without a URL", [image(None)], "image_url.url accepts an https address"),
	("an http link", [image("http://example.com/a.png")], "image_url.url accepts an https address"),
	("a link to a file", [image("file:///etc/passwd")], "image_url.url accepts an https address"),
	("a link without a host", [image("https:///a.png")], "image_url.url accepts an https address"),
	(
		"a link with a password",
		[image("https://a:b@example.com/a.png")],
		"image_url.url accepts an https address",
	),
	(
		"a link with a line break",
		[image("https://example.com/a\n.png")],
		"image_url.url accepts an https address",
	),
	(
		"a link with a port that is none",
		[image("https://example.com:x/")],
		"image_url.url accepts an https address",
	),
	("a link that is torn", [image("https://[::1/")], "image_url.url accepts an https address"),
	("a link too long", [image("https://example.com/" + "x" * 2048)], "at most 2048 characters"),
	("an image that is none by its bytes", [image(data("bmp", 99, "image/png"))], "a PNG, JPEG, GIF or WebP"),
	("an SVG", [image(data("svg+xml", 9))], "a PNG, JPEG, GIF or WebP"),
	("a page", [image("data:text/html;base64,PGI+")], "a PNG, JPEG, GIF or WebP"),
	("an image that is not base64", [image("data:image/png,abc")], "a PNG, JPEG, GIF or WebP"),
	("an image without data", [image("data:image/png;base64,")], "image_url.url is no valid base64"),
	("base64 with a space", [image("data:image/png;base64,aGVs bG8=")], "image_url.url is no valid base64"),
	("base64 without its end", [image("data:image/png;base64,aGVsbG8")], "image_url.url is no valid base64"),
	("base64 with an accent", [image("data:image/png;base64,é===")], "image_url.url is no valid base64"),
	("an image too large", [image(data("png", MAX_IMAGE_MB * 2**20 + 1))], "accepts at most 5 MB an image"),
	("an unknown detail", [image(PNG, detail="extreme")], "image_url.detail accepts one of: auto, low, high"),
	("too many images", [image(PNG)] * (MAX_IMAGES + 1), f"at most {MAX_IMAGES} images in all; these are 21"),
	(
		"images too large together",
		[image("x" * (MAX_IMAGE_CHARS // 4 + 1))] * 4,
		"characters of images in all",
	),
	("too many calls", [calls(*[call()] * (MAX_CALLS + 1))], f"at most {MAX_CALLS} tool calls in all"),
	("too many parts", [{**ASKED, "content": [{}] * (MAX_PARTS + 1)}], f"at most {MAX_PARTS} content parts"),
	("arguments too long", [calls(call(arguments="x" * 400_001))], "at most 400000 characters in all"),
	(
		"continuations too long together",
		[{**ASKED, "role": "assistant", "continuation": "x" * (MAX_CONTINUATION // 2 + 1)}] * 2,
		"characters of continuation in all",
	),
]


@pytest.mark.parametrize(("messages", "text"), [pytest.param(m, s, id=i) for i, m, s in BAD])
def test_what_is_not_is_refused_by_name(messages: list[Any], text: str) -> None:
	for sent in (messages, json.dumps(messages)):
		with pytest.raises(ChatError) as refused:
			messages_of(sent, *LIMITS)
		sentence = str(refused.value)
		assert text in sentence and refused.value.code == "invalid_request"
		assert sentence.startswith("messages") and sentence.endswith(".") and "\n" not in sentence


def test_images_do_not_count_as_text() -> None:
	assert messages_of([image(data("png", 1000))], MESSAGES, 10)
	with pytest.raises(ChatError, match="at most 10 characters in all; these are 16"):
		messages_of([{**ASKED, "content": ASKED["content"]}, image(PNG)], MESSAGES, 10)


def test_as_many_messages_as_the_limit_are_taken() -> None:
	assert len(messages_of([ASKED] * 3, 3, MAX_CHARS)) == 3
	with pytest.raises(ChatError, match="at most 3 messages"):
		messages_of([ASKED] * 4, 3, MAX_CHARS)


def test_a_message_that_is_no_object_is_refused() -> None:
	with pytest.raises(ChatError, match=r"messages\[1\] accepts an object"):
		messages_of([ASKED, "hello"], *LIMITS)


def test_an_image_counts_as_its_tokens_would_and_what_a_provider_wants_back_as_nothing() -> None:
	parts = [{"type": "text", "text": "é"}]
	plain = [{"role": "user", "content": parts}]
	assert bytes_of(plain) == len(json.dumps(plain, ensure_ascii=False).encode())
	two = [{"role": "user", "content": [*parts, *image(PNG)["content"], *image(PNG)["content"]]}]
	assert bytes_of(two) == bytes_of(plain) + 2 * ATTACHMENT_BYTES
	assert bytes_of([{**ASKED, "continuation": "c2ln"}]) == bytes_of([ASKED])
