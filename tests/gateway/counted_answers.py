"""Answers of each wire with the usage that a provider reports, and the tokens that it means."""

import json
from typing import Any


def sse(*events: dict[str, Any]) -> str:
	return "".join(f"data: {json.dumps(event)}\n\n" for event in events)


def chat(usage: dict[str, Any] | None = None, **fields: Any) -> str:
	choice = {"index": 0, "delta": {"content": "Yes."}, "finish_reason": "stop"}
	counted = {} if usage is None else {"usage": usage}
	return sse({"choices": [choice], **counted, **fields}) + "data: [DONE]\n\n"


def messages(first: dict[str, Any], last: dict[str, Any]) -> str:
	return sse(
		{"type": "message_start", "message": {"usage": first}},
		{"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "Yes."}},
		{"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": last},
		{"type": "message_stop"},
	)


def gemini(**usage: Any) -> str:
	content = {"parts": [{"text": "Yes."}]}
	return sse({"candidates": [{"content": content, "finishReason": "STOP"}], "usageMetadata": usage})


def responses(usage: dict[str, Any], **fields: Any) -> str:
	payload = {"type": "response.output_text.delta", "output_index": 0, "delta": "Yes."}
	response = {"status": "completed", "output": [], "usage": usage, **fields}
	return sse(payload, {"type": "response.completed", "response": response})


# api, what the provider sends, and: prompt, of it read from the cache and written to it, completion, of it reasoning
COUNTS: list[tuple[str, str, tuple[int, int, int, int, int]]] = [
	(
		"openai",
		chat(
			{
				"prompt_tokens": 1000,
				"completion_tokens": 50,
				"total_tokens": 1050,
				"prompt_tokens_details": {"cached_tokens": 900},
				"completion_tokens_details": {"reasoning_tokens": 40},
			}
		),
		(1000, 900, 0, 50, 40),
	),
	# xAI counts the reasoning in the total alone.
	(
		"openai",
		chat(
			{
				"prompt_tokens": 32,
				"completion_tokens": 9,
				"total_tokens": 135,
				"prompt_tokens_details": {"cached_tokens": 6},
				"completion_tokens_details": {"reasoning_tokens": 94},
			}
		),
		(32, 6, 0, 103, 94),
	),
	# Gemini's chat completions do so too, and give it no name.
	(
		"openai",
		chat({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 45}),
		(10, 0, 0, 35, 30),
	),
	# Perplexity's deep research leaves it out of the total as well.
	(
		"openai",
		chat({"prompt_tokens": 33, "completion_tokens": 50, "total_tokens": 83, "reasoning_tokens": 900}),
		(33, 0, 0, 950, 900),
	),
	(
		"groq",
		chat(
			x_groq={
				"id": "req_1",
				"usage": {
					"queue_time": 0.1,
					"prompt_tokens": 70,
					"completion_tokens": 8,
					"total_tokens": 78,
					"prompt_tokens_details": {"cached_tokens": 64},
				},
			}
		),
		(70, 64, 0, 8, 0),
	),
	(
		"deepseek",
		chat(
			{
				"prompt_tokens": 100,
				"completion_tokens": 20,
				"total_tokens": 120,
				"prompt_cache_hit_tokens": 64,
				"prompt_cache_miss_tokens": 36,
				"completion_tokens_details": {"reasoning_tokens": 12},
			}
		),
		(100, 64, 0, 20, 12),
	),
	# Moonshot
	(
		"openai",
		chat({"prompt_tokens": 30, "completion_tokens": 4, "total_tokens": 34, "cached_tokens": 20}),
		(30, 20, 0, 4, 0),
	),
	# Azure counts the cached tokens of xAI's models apart, and leaves them out of the total.
	(
		"openai",
		chat(
			{
				"prompt_tokens": 7,
				"completion_tokens": 8,
				"total_tokens": 15,
				"prompt_tokens_details": {"text_tokens": 7, "cached_tokens": 161},
				"cost_in_usd_ticks": 0,
			}
		),
		(168, 161, 0, 8, 0),
	),
	# Mistral counts the audio of a prompt in the total alone.
	(
		"mistral",
		chat(
			{
				"prompt_tokens": 11,
				"completion_tokens": 15,
				"total_tokens": 401,
				"prompt_audio_seconds": 5,
				"prompt_tokens_details": {"audio_tokens": 375, "cached_tokens": 9},
			}
		),
		(386, 9, 0, 15, 0),
	),
	(
		"openrouter",
		chat(
			{
				"prompt_tokens": 500,
				"completion_tokens": 10,
				"total_tokens": 510,
				"prompt_tokens_details": {"cached_tokens": 300, "cache_write_tokens": 150},
			}
		),
		(500, 300, 150, 10, 0),
	),
	(
		"anthropic",
		messages(
			{"input_tokens": 10, "cache_read_input_tokens": 900, "cache_creation_input_tokens": 80},
			{"output_tokens": 40, "output_tokens_details": {"thinking_tokens": 30}},
		),
		(990, 900, 80, 40, 30),
	),
	# Late, and by how long they are kept.
	(
		"anthropic",
		messages(
			{"input_tokens": 10},
			{
				"input_tokens": 12,
				"output_tokens": 4,
				"cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200},
			},
		),
		(312, 0, 300, 4, 0),
	),
	# The summary of a long conversation is not in the totals.
	(
		"anthropic",
		messages(
			{"input_tokens": 1},
			{
				"input_tokens": 612,
				"output_tokens": 2819,
				"iterations": [
					{"type": "compaction", "input_tokens": 60385, "output_tokens": 522},
					{"type": "message", "input_tokens": 612, "output_tokens": 2819},
				],
			},
		),
		(60997, 0, 0, 3341, 0),
	),
	(
		"gemini",
		gemini(
			promptTokenCount=1000,
			toolUsePromptTokenCount=50,
			cachedContentTokenCount=800,
			candidatesTokenCount=20,
			thoughtsTokenCount=30,
			totalTokenCount=1100,
		),
		(1050, 800, 0, 50, 30),
	),
	# The thoughts within the answer.
	(
		"gemini",
		gemini(promptTokenCount=10, candidatesTokenCount=50, thoughtsTokenCount=30, totalTokenCount=60),
		(10, 0, 0, 50, 30),
	),
	(
		"openai_responses",
		responses(
			{
				"input_tokens": 1000,
				"input_tokens_details": {"cached_tokens": 900, "cache_write_tokens": 60},
				"output_tokens": 50,
				"output_tokens_details": {"reasoning_tokens": 40},
				"total_tokens": 1050,
			}
		),
		(1000, 900, 60, 50, 40),
	),
	(
		"ollama_chat",
		json.dumps(
			{
				"message": {"content": "Yes."},
				"done": True,
				"done_reason": "stop",
				"prompt_eval_count": 26,
				"eval_count": 9,
			}
		)
		+ "\n",
		(26, 0, 0, 9, 0),
	),
]
