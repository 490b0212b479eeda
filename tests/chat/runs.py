"""Accepts a request and runs it to its end, for the tests of a request's life."""

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ai_assistant.chat import lifecycle, running
from ai_assistant.gateway import Chunk
from tests.chat.conftest import ChatSite


def begin(site: ChatSite, content: str, **fields: Any) -> lifecycle.Chat:
	chat = lifecycle.begin(site.request(content, **fields), site.configure(), 0.0)
	# So that no chat is left of a test that does not run it. `lifecycle.run` does it at the end.
	running.unregister(chat)
	return chat


def run(chunks: Generator[Chunk, None, dict[str, Any]]) -> tuple[list[Chunk], dict[str, Any]]:
	"""Returns all chunks, and the answer object."""
	yielded: list[Chunk] = []
	answer = lifecycle.result_of(chunks, yielded.append)
	return yielded, answer


def elsewhere(site: ChatSite, write: Any) -> None:
	"""Writes and commits as another process does."""
	with ThreadPoolExecutor(1) as thread:
		thread.submit(lambda: (write(), site.database.commit())).result()
