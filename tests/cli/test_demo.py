"""The demo with the real local model, as `make demo` runs it."""

import json
import subprocess
import sys

import pytest

from ai_assistant.realtime.event import FIELDS


@pytest.mark.model
@pytest.mark.timeout(240)
def test_a_real_model_thinks_and_answers() -> None:
	command = [sys.executable, "-m", "ai_assistant.cli", "chat", "Tell me about the sea.", "--json"]
	done = subprocess.run(command, capture_output=True, text=True)
	assert done.returncode == 0, done.stderr
	events = [json.loads(line) for line in done.stdout.splitlines()]
	numbered = [event for event in events if event["type"] != "ai_status"]
	assert all(set(event) >= FIELDS for event in numbered)
	reasoning = "".join(event["text"] for event in numbered if event["type"] == "reasoning")
	text = "".join(event["text"] for event in numbered if event["type"] == "text")
	# The grammar's bounds, less the white space around the tags.
	assert 950 <= len(reasoning) <= 1401
	assert 100 <= len(text) <= 701
	assert "<think>" not in reasoning + text
	end = numbered[-1]
	assert (end["provider"], end["model"], end["finish_reason"]) == ("local", "smollm2-135m-instruct", "stop")
	assert end["usage"]["completion_tokens"] > 100
	assert "smollm2-135m-instruct of local answered" in done.stderr
