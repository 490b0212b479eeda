"""Builds a gateway for the scripted provider, and a thread that collects an answer."""

import json
import re
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from ai_assistant.gateway import (
	Chunk,
	Completion,
	Fallback,
	Gateway,
	Provider,
	ProviderError,
	Reasoning,
	Text,
	Tick,
	Timeouts,
)
from tests.support.provider import ScriptedProvider

KEY = "sk-canary-0f3a"

# A model of each family, and of each adapter that speaks it; those that litellm knows take a reasoning_effort.
MODELS = {
	"openai": "m1",
	"deepseek": "deepseek-reasoner",
	"openrouter": "x/m1",
	"groq": "openai/gpt-oss-20b",
	"mistral": "magistral-medium-2509",
	"litellm/openai": "m1",
	"litellm/deepseek": "deepseek-reasoner",
	"litellm/openrouter": "x/m1",
	"litellm/anthropic": "claude-sonnet-4-5",
	"litellm/gemini": "gemini-2.5-pro",
	"openai_responses": "gpt-5",
	"anthropic": "claude-sonnet-4-5",
	"gemini": "gemini-2.5-pro",
	"ollama_chat": "m1",
}
DIRECT = ("openai", "deepseek", "openrouter", "groq", "mistral")
# One of each way an answer takes through an adapter: what depends on no more than that need not be tried with all.
ADAPTERS = (
	"openai",
	"litellm/openai",
	"litellm/deepseek",
	"openai_responses",
	"anthropic",
	"gemini",
	"ollama_chat",
)


def spoken(api: str) -> str:
	"""The family of the wire that an adapter speaks."""
	return api.removeprefix("litellm/")


def in_camel_case(value: Any) -> Any:
	"""The same with the one of Google's two spellings for each name; its API takes both."""
	if isinstance(value, dict):
		return {
			re.sub("_([a-z])", lambda letter: letter[1].upper(), name): in_camel_case(inner)
			for name, inner in value.items()
		}
	return [in_camel_case(item) for item in value] if isinstance(value, list) else value


# Long enough for a machine that does three other things: no test waits for them.
PATIENT = Timeouts(first_token_s=20, idle_s=20, total_s=40)


def family(server: ScriptedProvider, api: str, **fields: Any) -> Provider:
	"""The scripted provider, spoken to as a family; its name is the family's, where none is given."""
	settings = {
		"name": api,
		"default_model": MODELS.get(api) or MODELS[spoken(api)],
		"api_base": server.base(spoken(api)),
		**fields,
	}
	return Provider(api=api, api_key=KEY, **settings)


def gateway(*providers: Provider, timeouts: Timeouts = PATIENT) -> Gateway:
	# Each provider is asked once: tests/gateway/test_retries.py is about asking again.
	return Gateway(providers, timeouts, retries=0)


def scripted(script: list[dict[str, Any]], marker: str = "-") -> list[dict[str, Any]]:
	"""The messages that make the provider play a script; by the marker a test finds its request again."""
	return [{"role": "system", "content": marker}, {"role": "user", "content": json.dumps(script)}]


@dataclass
class Heard:
	"""A stream to its end."""

	chunks: list[Chunk] = field(default_factory=list)
	error: ProviderError | None = None

	@property
	def reasoning(self) -> str:
		return "".join(c.text for c in self.chunks if isinstance(c, Reasoning))

	@property
	def text(self) -> str:
		return "".join(c.text for c in self.chunks if isinstance(c, Text))

	@property
	def deltas(self) -> list[Chunk]:
		return [c for c in self.chunks if isinstance(c, Reasoning | Text)]

	@property
	def fallbacks(self) -> list[Fallback]:
		return [c for c in self.chunks if isinstance(c, Fallback)]

	@property
	def completion(self) -> Completion:
		assert self.error is None, self.error
		ends = [c for c in self.chunks if isinstance(c, Completion)]
		assert ends == self.chunks[-1:], "a stream ends with its one Completion"
		return ends[0]

	@property
	def failure(self) -> ProviderError:
		assert self.error is not None, self.chunks
		assert not any(isinstance(c, Completion) for c in self.chunks)
		return self.error


def hear(stream: Iterable[Chunk]) -> Heard:
	heard = Heard()
	try:
		heard.chunks.extend(stream)
	except ProviderError as error:
		heard.error = error
	return heard


class Listener:
	"""Hears a stream on a thread of its own, as a request does, while the test does something to it."""

	def __init__(self, stream: Iterable[Chunk]) -> None:
		self._heard = Heard()
		self._news = threading.Condition()
		self._thread = threading.Thread(target=self._listen, args=(stream,), daemon=True)
		self._thread.start()

	def until(self, enough: Callable[[Heard], bool]) -> None:
		with self._news:
			assert self._news.wait_for(lambda: enough(self._heard), timeout=20), self._heard

	def to_the_end(self) -> Heard:
		self._thread.join(timeout=20)
		assert not self._thread.is_alive(), self._heard
		return self._heard

	def _listen(self, stream: Iterable[Chunk]) -> None:
		try:
			for chunk in stream:
				with self._news:
					self._heard.chunks.append(chunk)
					self._news.notify_all()
		except ProviderError as error:
			self._heard.error = error


def silent(heard: Heard) -> bool:
	return any(isinstance(c, Tick) for c in heard.chunks)
