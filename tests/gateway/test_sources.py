"""Sources, images, refusals and the tools that a provider runs itself, over real HTTP."""

import json
from typing import Any

import pytest

from ai_assistant.gateway import Text, ToolCall
from ai_assistant.gateway.chunks import Image, Source
from tests.support.provider import ScriptedProvider

from .asking import family, gateway, hear, scripted
from .citing import SEARCH, TITLE, TOOL, URL, answer, block, chat, cited_text, grounded, message, responses
from .counted_answers import sse

# api, what it sends, the sources of the answer
CITED: list[tuple[str, list[dict[str, Any]], list[Source]]] = [
	(
		"openai",
		[
			chat(content="It is "),
			chat(content="so."),
			chat(
				annotations=[
					{
						"type": "url_citation",
						"url_citation": {"url": URL, "title": TITLE, "start_index": 3, "end_index": 6},
					}
				],
				finish_reason="stop",
			),
		],
		[Source(URL, TITLE, 3, 6)],
	),
	# OpenRouter knows no place, Perplexity repeats what it found in each chunk.
	(
		"openrouter",
		[
			chat(
				content="So.",
				annotations=[
					{"type": "url_citation", "url_citation": {"url": URL, "start_index": 0, "end_index": 0}}
				],
				finish_reason="stop",
			)
		],
		[Source(URL)],
	),
	(
		"openai",
		[
			{**chat(content="It"), "citations": [URL], "search_results": [{"url": URL, "title": TITLE}]},
			{
				**chat(content=" is [1].", finish_reason="stop"),
				"citations": [URL],
				"search_results": [{"url": URL, "title": TITLE}],
			},
		],
		[Source(URL, TITLE)],
	),
	(
		"anthropic",
		message(
			cited_text(0, "I look. "),
			block(1, {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {}}),
			block(2, {"type": "web_search_tool_result", "tool_use_id": "s1", "content": []}),
			cited_text(3, "It is so.", {"type": "web_search_result_location", "url": URL, "title": TITLE}),
		),
		[Source(URL, TITLE, 8, 17)],
	),
	(
		"openai_responses",
		[
			responses("output_text.delta", content_index=0, delta="First. "),
			responses("output_text.delta", content_index=1, delta="It is so."),
			responses(
				"output_text.annotation.added",
				content_index=1,
				annotation={
					"type": "url_citation",
					"url": URL,
					"title": TITLE,
					"start_index": 0,
					"end_index": 2,
				},
			),
			responses("completed", response={"status": "completed", "output": []}),
		],
		[Source(URL, TITLE, 7, 9)],
	),
	(
		"gemini",
		[
			grounded(
				"Öl ist teuer.",
				groundingChunks=[{"web": {"uri": URL, "title": TITLE}}, {"web": {"uri": f"{URL}b"}}],
				# Its places are bytes.
				groundingSupports=[
					{"segment": {"startIndex": 4, "endIndex": 7}, "groundingChunkIndices": [0]}
				],
			)
		],
		[Source(URL, TITLE, 3, 6), Source(f"{URL}b")],
	),
]


@pytest.mark.parametrize(("api", "events", "sources"), CITED)
def test_what_an_answer_cites_is_named_with_its_place(
	server: ScriptedProvider, api: str, events: list[dict[str, Any]], sources: list[Source]
) -> None:
	# Where the provider searches, the site has said so.
	heard = answer(server, api, *events, extra={"tools": [{"google_search": {}}]} if api == "gemini" else {})
	assert list(heard.completion.sources) == sources
	assert not any(isinstance(chunk, ToolCall) for chunk in heard.chunks)


@pytest.mark.parametrize("url", ["javascript:alert(1)", "", None, 5, "https://" + "x" * 3000])
def test_what_no_page_may_link_to_is_no_source(server: ScriptedProvider, url: Any) -> None:
	cited = {"type": "url_citation", "url_citation": {"url": url, "title": TITLE}}
	heard = answer(server, "openai", chat(content="So.", annotations=[cited], finish_reason="stop"))
	assert (heard.text, heard.completion.sources) == ("So.", ())


DRAWN = "iVBORw0KGgo="


@pytest.mark.parametrize(
	("api", "events"),
	[
		(
			"openai",
			[
				chat(
					content="Here.",
					images=[{"type": "image_url", "image_url": {"url": f"data:image/webp;base64,{DRAWN}"}}],
					finish_reason="stop",
				)
			],
		),
		(
			"gemini",
			[
				{
					"candidates": [
						{
							"content": {
								"parts": [
									{"text": "Here."},
									{"inlineData": {"mimeType": "image/webp", "data": DRAWN}},
								]
							},
							"finishReason": "STOP",
						}
					]
				}
			],
		),
		(
			"openai_responses",
			[
				responses("output_text.delta", content_index=0, delta="Here."),
				responses(
					"output_item.done",
					item={
						"type": "image_generation_call",
						"id": "ig_1",
						"result": DRAWN,
						"output_format": "webp",
					},
				),
				responses("completed", response={"status": "completed", "output": []}),
			],
		),
	],
)
def test_an_image_beside_text_is_named(
	server: ScriptedProvider, api: str, events: list[dict[str, Any]]
) -> None:
	heard = answer(server, api, *events)
	assert (heard.text, heard.completion.images) == ("Here.", (Image("image/webp", 9),))


@pytest.mark.parametrize(
	("api", "event"),
	[
		(
			"openai",
			chat(images=[{"image_url": {"url": f"data:image/webp;base64,{DRAWN}"}}], finish_reason="stop"),
		),
		(
			"gemini",
			{
				"candidates": [
					{
						"content": {"parts": [{"inlineData": {"mimeType": "image/webp", "data": DRAWN}}]},
						"finishReason": "STOP",
					}
				]
			},
		),
		(
			"openai_responses",
			responses(
				"completed",
				response={
					"status": "completed",
					"output": [
						{
							"type": "image_generation_call",
							"id": "ig_1",
							"result": DRAWN,
							"output_format": "webp",
						}
					],
				},
			),
		),
	],
)
def test_an_image_without_text_is_an_answer(
	server: ScriptedProvider, api: str, event: dict[str, Any]
) -> None:
	heard = answer(server, api, event)
	assert (heard.text, heard.completion.finish_reason) == ("", "stop")
	assert heard.completion.images == (Image("image/webp", 9),)


def test_why_a_model_refuses_is_kept(server: ScriptedProvider) -> None:
	details = {"type": "refusal", "category": "cyber", "explanation": "This is about an attack."}
	failure = answer(server, "anthropic", *message(stop="refusal", stop_details=details)).failure
	assert (failure.code, failure.explanation) == ("content_filtered", "This is about an attack.")
	assert "attack" not in str(failure)
	assert answer(server, "anthropic", *message(stop="refusal")).failure.explanation is None


# A message that pauses


def paused(n: int) -> list[dict[str, Any]]:
	use = {"type": "server_tool_use", "id": f"s{n}", "name": "web_search", "input": {}}
	query = {"type": "input_json_delta", "partial_json": '{"query": "x"}'}
	thinking = {"type": "thinking", "thinking": "", "signature": ""}
	return message(
		block(
			0,
			thinking,
			{"type": "thinking_delta", "thinking": "Hm."},
			{"type": "signature_delta", "signature": "sig"},
		),
		cited_text(1, f"Part {n}. "),
		block(2, use, query),
		block(3, {"type": "web_search_tool_result", "tool_use_id": f"s{n}", "content": [{"url": URL}]}),
		stop="pause_turn",
	)


def rounds(*messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
	"""A script whose steps are played one a request, by how often the model has paused."""
	return [{"turn": [{"raw": sse(*events)}]} for events in messages]


def test_a_message_that_pauses_goes_on(server: ScriptedProvider, marker: str) -> None:
	last = message(cited_text(0, "Done.", {"type": "web_search_result_location", "url": URL}))
	one = gateway(family(server, "anthropic", extra={"tools": [SEARCH]}))
	script = rounds(paused(1), paused(2), last)
	heard = hear(one.stream_generate(scripted(script, marker), tools=[TOOL]))
	assert (heard.text, heard.reasoning) == ("Part 1. Part 2. Done.", "Hm.Hm.")
	assert heard.completion.finish_reason == "stop"
	assert heard.completion.sources == (Source(URL, None, 16, 21),)
	usage = heard.completion.usage
	assert usage and (usage.prompt_tokens, usage.completion_tokens) == (30, 15)
	first, second, third = (request.body for request in server.requests if marker in request.text)
	assert first["tools"] == [SEARCH, {"name": "read", "input_schema": {"type": "object"}}]
	(*_, question), (*_, turn) = first["messages"], second["messages"]
	assert question["role"] == "user"
	assert turn == {
		"role": "assistant",
		"content": [
			{"type": "thinking", "thinking": "Hm.", "signature": "sig"},
			{"type": "text", "text": "Part 1. "},
			{"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "x"}},
			{"type": "web_search_tool_result", "tool_use_id": "s1", "content": [{"url": URL}]},
		],
	}
	assert [message_sent["role"] for message_sent in third["messages"]] == ["user", "assistant"]
	assert len(third["messages"][-1]["content"]) == 8


def test_a_message_that_pauses_for_ever_is_cut(server: ScriptedProvider, marker: str) -> None:
	one = gateway(family(server, "anthropic", extra={"tools": [SEARCH]}))
	heard = hear(one.stream_generate(scripted([{"raw": sse(*paused(1))}], marker)))
	assert heard.completion.finish_reason == "length"
	assert server.count(marker) == len([chunk for chunk in heard.chunks if isinstance(chunk, Text)]) == 9


def test_a_call_whose_arguments_arrive_in_parts_is_whole(server: ScriptedProvider) -> None:
	def part(finish: str | None = None, **call: Any) -> dict[str, Any]:
		candidate = {"content": {"parts": [{"functionCall": call}]}}
		return {"candidates": [{**candidate, **({"finishReason": finish} if finish else {})}]}

	def value(path: str, **fields: Any) -> dict[str, Any]:
		return {"partialArgs": [{"jsonPath": path, **fields}], "willContinue": True}

	heard = answer(
		server,
		"gemini",
		part(name="read", willContinue=True),
		part(**value("$.path", stringValue="a", willContinue=True)),
		part(**value("$.path", stringValue="/b")),
		part(**value("$.lines[0].n", numberValue=3)),
		part(**value("$.lines[1].n", numberValue=4)),
		part(**value("$.deep['x y']", boolValue=True)),
		part(),
		part("STOP", name="read", args={"path": "c"}),
	)
	calls = [chunk for chunk in heard.chunks if isinstance(chunk, ToolCall)]
	assert [(call.name, json.loads(call.arguments)) for call in calls] == [
		("read", {"path": "a/b", "lines": [{"n": 3}, {"n": 4}], "deep": {"x y": True}}),
		("read", {"path": "c"}),
	]
	bad = answer(server, "gemini", part(name="read", **value("$.a[7]", numberValue=1)), part("STOP"))
	assert bad.failure.kind == "junk"
