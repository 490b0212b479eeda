"""Tests that a task stays with its provider, whose prompt cache then serves it."""

import json
from typing import Any

from ai_assistant.client import Client
from tests.support import script, unique
from tests.support.provider import ScriptedProvider


def test_a_task_stays_with_the_provider_that_answered_it(client: Client) -> None:
	task = unique("task")

	def answered(**fields: Any) -> tuple[str, str]:
		stream = client.chat(script({"text": "Yes."}), task_id=task, **fields)
		list(stream)
		assert stream.answer
		return stream.answer["provider"], stream.answer["model"]

	assert answered() == ("scripted", "scripted")
	assert answered(provider="claude") == ("claude", "claude-sonnet-4-5")
	assert answered() == ("claude", "claude-sonnet-4-5")
	assert answered(mode="agent") == ("scripted", "scripted")
	assert answered(model="scripted-2") == ("scripted", "scripted-2")
	assert answered() == ("scripted", "scripted-2")


def test_the_key_of_a_task_tells_nothing_of_it(client: Client, provider: ScriptedProvider) -> None:
	task = unique("task")
	list(client.chat(script({"text": task}), task_id=task))
	sent = provider.wait_for(task).body
	assert "prompt_cache_key" not in sent and task not in json.dumps({**sent, "messages": []})


def test_a_clients_cache_markers_reach_a_provider_that_takes_them(
	client: Client, provider: ScriptedProvider
) -> None:
	marker = unique("marked")
	part = {
		"type": "text",
		"text": script({"text": marker}),
		"cache_control": {"type": "ephemeral", "ttl": "1h"},
	}
	list(client.chat([{"role": "user", "content": [part]}], provider="claude"))
	(block,) = provider.wait_for(marker).body["messages"][-1]["content"]
	assert block["cache_control"] == {"type": "ephemeral", "ttl": "1h"}
