"""A conversation of an agent that grows beyond the model's context window."""

import json
from typing import Any

import pytest

from ai_assistant.gateway import Ask, ModelInfo
from ai_assistant.gateway.trimming import FULL, NOTE, fit
from ai_assistant.gateway.usage import estimated_tokens
from tests.support.provider import ScriptedProvider

from .asking import family, gateway, hear

TRIM = "oldest_tool_results"
TOOLS = [{"type": "function", "function": {"name": "read", "parameters": {"type": "object"}}}]
WINDOW = 10_000


def agent(rounds: int, size: int = 3000, script: Any = "Do it.") -> list[dict[str, Any]]:
	"""The messages of an agent that has called two tools in each round, with results of `size` characters."""
	messages: list[dict[str, Any]] = [
		{"role": "system", "content": "You are an agent."},
		{"role": "user", "content": script if isinstance(script, str) else json.dumps(script)},
	]
	for n in range(rounds):
		ids = [f"call_{n}_{part}" for part in "ab"]
		calls = [
			{"id": id, "type": "function", "function": {"name": "read", "arguments": "{}"}} for id in ids
		]
		messages.append({"role": "assistant", "content": f"Round {n}.", "tool_calls": calls})
		messages += [{"role": "tool", "tool_call_id": id, "content": id.ljust(size, "x")} for id in ids]
	return messages


def tokens(ask: Ask) -> int:
	return estimated_tokens(ask.prompt_bytes)


def test_a_conversation_that_fits_is_sent_as_it_is() -> None:
	ask = Ask(agent(3), tools=TOOLS)
	assert fit(ask, WINDOW) == (ask, None)
	assert fit(Ask(agent(100)), None)[1] is None


def test_the_oldest_results_are_replaced_until_it_fits() -> None:
	ask = Ask(agent(20), tools=TOOLS)
	question, trimmed = fit(ask, WINDOW)
	assert trimmed and tokens(question) <= FULL * WINDOW < tokens(ask)
	results = [message["content"] for message in question.messages if message["role"] == "tool"]
	assert (
		results
		== [NOTE] * trimmed.tool_results
		+ [message["content"] for message in ask.messages if message["role"] == "tool"][
			trimmed.tool_results :
		]
	)
	assert abs(tokens(ask) - tokens(question) - trimmed.tokens) < 20
	assert all(message["content"] != NOTE for message in ask.messages)
	others = [message for message in question.messages if message["role"] != "tool"]
	assert others == [message for message in ask.messages if message["role"] != "tool"]


def test_the_beginning_stays_the_same_from_round_to_round() -> None:
	window, changes, before = 10 * WINDOW, 0, ""
	for rounds in range(1, 101):
		question, _trimmed = fit(Ask(agent(rounds, size=15_000), tools=TOOLS), window)
		assert tokens(question) <= FULL * window
		text = json.dumps(question.messages)[:-1]
		changes += not text.startswith(before)
		before = text
	# A cut frees about three tenths of the window, and a round fills 7,500 tokens of it again.
	assert 1 <= changes <= 100 // 3


def test_results_that_the_model_has_not_seen_stay() -> None:
	ask = Ask(agent(1, size=100_000))
	assert fit(ask, WINDOW) == (ask, None)
	question, trimmed = fit(Ask(agent(2, size=100_000)), WINDOW)
	assert trimmed and trimmed.tool_results == 2
	assert [len(message["content"]) for message in question.messages[-2:]] == [100_000] * 2


def test_short_results_are_not_worth_a_note() -> None:
	ask = Ask(agent(500, size=20))
	assert fit(ask, 1000) == (ask, None)


@pytest.mark.parametrize("api", ["openai", "openai_responses", "anthropic", "gemini", "ollama_chat"])
def test_what_was_left_out_is_told_at_the_end(server: ScriptedProvider, api: str, marker: str) -> None:
	script = [{"text": "Done."}, {"note": marker}]
	one = family(server, api)
	details = {one.default_model: ModelInfo(context_window=WINDOW)}
	one = family(server, api, details=details)
	heard = hear(gateway(one).stream_generate(agent(20, script=script), tools=TOOLS, trim=TRIM))
	trimmed = heard.completion.trimmed
	assert heard.text == "Done." and trimmed and trimmed.tool_results > 20 and trimmed.tokens > 10_000
	assert server.wait_for(marker).text.count(NOTE) == trimmed.tool_results


def test_without_the_setting_it_is_refused(server: ScriptedProvider) -> None:
	one = family(server, "openai", details={"m1": ModelInfo(context_window=WINDOW)})
	failure = hear(gateway(one).stream_generate(agent(30), tools=TOOLS)).failure
	assert failure.code == "context_too_long"


@pytest.mark.parametrize("window", [None, 50_000])
def test_a_provider_that_refuses_the_length_gets_a_shorter_question(
	server: ScriptedProvider, window: int | None, marker: str
) -> None:
	details = {"m1": ModelInfo(context_window=window)}
	one = family(server, "openai", details=details)
	sent = []
	for rounds in (40, 41):
		script = [{"most": 60_000}, {"text": "Done."}, {"note": f"{marker}{rounds} "}]
		heard = hear(gateway(one).stream_generate(agent(rounds, script=script), tools=TOOLS, trim=TRIM))
		assert heard.text == "Done." and heard.completion.attempts == () and heard.completion.trimmed
		sent.append(heard.completion.trimmed.tool_results)
	assert sent[0] == sent[1]
	failure = hear(
		gateway(one).stream_generate(agent(5, script=[{"most": 10}]), tools=TOOLS, trim=TRIM)
	).failure
	assert failure.code == "context_too_long"
