"""The web process that serves the app alone; tests/faults/bench/test_web_process.py runs it on a bench."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from ai_assistant.operations import web_process


@pytest.mark.parametrize(
	("path", "is_ours"),
	[
		("/api/method/ai_assistant.api.chat_completion", True),
		("/api/v2/method/ai_assistant.api.get_events", True),
		("/api/v1/method/ai_assistant.api.cancel", True),
		("/api/method/ai_assistant.v1/chat/completions", True),
		("/ai/v1/messages", True),
		("/ai/v1", True),
		("/api/method/ping", False),
		("/api/method/ai_assistantx.run", False),
		("/ai/v10/messages", False),
		("/ai-assistant", False),
		("/app", False),
		("/files/api/method/ai_assistant.api", False),
	],
)
def test_it_serves_the_paths_of_the_app_alone(path: str, is_ours: bool) -> None:
	statuses: list[str] = []

	def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
		start_response("200 OK", [])
		return [b"Frappe"]

	body = web_process.only_ours(application)(
		{"PATH_INFO": path}, lambda status, headers: statuses.append(status)
	)
	assert (statuses, list(body) == [b"Frappe"]) == (["200 OK" if is_ours else "404 Not Found"], is_ours)
