"""What a provider's answer is made of, whoever the provider is.

`Gateway.stream_generate()` yields these and nothing else:
	any number of Reasoning, Text, ToolCall, Tick and Fallback, then exactly one Completion.
A failure is raised as a ProviderError instead of the Completion; what was yielded before it stands.
"""

from dataclasses import dataclass, field
from typing import Any

from .usage import Price, Usage


@dataclass(frozen=True, slots=True)
class Reasoning:
	"""A piece of the model's reasoning: a delta, never empty."""

	text: str


@dataclass(frozen=True, slots=True)
class Text:
	"""A piece of the answer: a delta, never empty."""

	text: str


@dataclass(frozen=True, slots=True)
class ToolCallStart:
	"""The model begins a call of a tool. Its ToolCall follows, with the same `id`, once it is whole."""

	id: str
	name: str


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
	"""A piece of the arguments of the call that began with this `id`: a delta, never empty."""

	id: str
	text: str


@dataclass(frozen=True, slots=True)
class ToolCall:
	"""A call that the model makes of one of the client's tools: whole, and given once.

	`arguments` is a JSON object as the model wrote it. What never became one is given as it came, with a sentence
	in `arguments_error` that says so. `id` is the provider's, or made here where it gave none.
	"""

	id: str
	name: str
	arguments: str
	arguments_error: str | None = None


@dataclass(frozen=True, slots=True)
class Tick:
	"""Nothing has come for as long as the caller cared to wait (its `patience`); the caller has its turn."""


@dataclass(frozen=True, slots=True)
class Attempt:
	"""A provider that failed before its first chunk, with the code of its error."""

	provider: str
	model: str
	error: str


@dataclass(frozen=True, slots=True)
class Fallback:
	"""An attempt has failed, and the next provider is about to be asked."""

	failed: Attempt
	provider: str
	model: str


@dataclass(frozen=True, slots=True)
class Completion:
	"""The regular end. `finish_reason` is `stop`, `length`, `tool_calls` or `cancelled`.

	`dropped` names the parameters that were asked for and not sent, because the model does not take them.
	`effort` is the `reasoning_effort` that was sent in the place of one that the model does not take.
	`continuation` is what the provider wants back in the assistant's message (`{"continuation": …}`) to go on with
	its reasoning once its tool calls are answered: opaque, and None where it wants nothing.
	`unshown` is what else the answer held, as the kind of the failure that it is where it held nothing more.
	"""

	finish_reason: str
	provider: str
	model: str
	usage: Usage | None = None
	attempts: tuple[Attempt, ...] = ()
	dropped: tuple[str, ...] = ()
	continuation: str | None = None
	unshown: str | None = None
	effort: str | None = None


Chunk = Reasoning | Text | ToolCallStart | ToolCallDelta | ToolCall | Tick | Fallback | Completion


@dataclass(frozen=True, slots=True)
class Ask:
	"""One question to one provider: messages and tools as in the OpenAI chat API, None for what it may choose.

	An assistant's message may hold the `continuation` of the Completion that it came with.
	"""

	messages: list[dict[str, Any]]
	model: str
	temperature: float | None = None
	max_tokens: int | None = None
	reasoning_effort: str | None = None
	tools: list[dict[str, Any]] | None = None
	tool_choice: str | dict[str, Any] | None = None

	@property
	def uses_tools(self) -> bool:
		"""Whether tools are in it at all. Nothing of theirs is sent or given where they are not."""
		return bool(self.tools) or any(
			message.get("tool_calls") or message["role"] == "tool" for message in self.messages
		)

	@property
	def images(self) -> list[str]:
		"""The URLs of its images: `data:` with the image in it, or links."""
		contents = (message.get("content") for message in self.messages)
		parts = (part for content in contents if isinstance(content, list) for part in content)
		return [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]

	@property
	def forces_a_call(self) -> bool:
		return bool(self.tools) and self.tool_choice not in (None, "auto", "none")


@dataclass(frozen=True, slots=True)
class Provider:
	"""A configured provider. `api` is its name in litellm; `models` are those allowed, `*` for any.

	`prices` are by model, `*` for those without one of their own; they win over litellm's list.
	"""

	name: str
	api: str
	api_key: str = field(repr=False)
	default_model: str
	models: tuple[str, ...] = ("*",)
	api_base: str | None = None
	priority: int = 100
	extra: dict[str, Any] = field(default_factory=dict, repr=False)
	prices: dict[str, Price] = field(default_factory=dict)

	def allows(self, model: str) -> bool:
		return "*" in self.models or model in self.models

	def price(self, model: str) -> Price | None:
		return self.prices.get(model) or self.prices.get("*")


@dataclass(frozen=True, slots=True)
class Timeouts:
	"""Seconds: until a provider's first chunk, between two chunks (apart while it thinks), and for all attempts together."""

	first_token_s: float = 60
	thinking_idle_s: float = 120
	idle_s: float = 60
	total_s: float = 110
