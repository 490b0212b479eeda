"""The types of the gateway: the chunks of an answer, the question, the provider.

A stream of the gateway is any number of chunks and then exactly one Completion. A failure is raised as a ProviderError
in the place of the Completion, and the chunks before it remain valid.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from .field_types import Amount, Count, Effort, Name, PromptCache
from .sizes import bytes_of, bytes_of_tools
from .tool_chunks import ToolStep
from .usage import Price, Usage


@dataclass(frozen=True, slots=True)
class Reasoning:
	"""The next piece of the model's reasoning, never empty."""

	text: str


@dataclass(frozen=True, slots=True)
class Text:
	"""The next piece of the answer, never empty."""

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
	"""A call of one of the client's tools, once it is whole.

	`arguments` is a JSON object as the model wrote it. Arguments that never became one are given as they came, with a
	sentence in `arguments_error`. `id` is the provider's, or a new one if the provider gave none.
	"""

	id: str
	name: str
	arguments: str
	arguments_error: str | None = None


@dataclass(frozen=True, slots=True)
class Tick:
	"""Gives the caller its turn: no chunk has come for the `wait_s` of its Pacing."""


@dataclass(frozen=True, slots=True)
class Detached:
	"""The provider runs the answer by itself. A request for this `id` gets the answer again from its beginning.

	`key` is the label of the key that was used, if the provider has several.
	"""

	id: str
	provider: str
	model: str
	key: str = ""


@dataclass(frozen=True, slots=True)
class Attempt:
	"""A provider that failed before its first chunk, with the code of its error.

	Args:
		key: the label of the key that was used, if the provider has several.
	"""

	provider: str
	model: str
	error: str
	key: str = ""

	def as_dict(self) -> dict[str, str]:
		"""Returns the attempt as the contract has it: `key` only where there is one."""
		fields = {"provider": self.provider, "model": self.model, "error": self.error}
		return {**fields, "key": self.key} if self.key else fields


@dataclass(frozen=True, slots=True)
class Fallback:
	"""An attempt has failed, and the next provider is asked now."""

	failed: Attempt
	provider: str
	model: str


@dataclass(frozen=True, slots=True)
class Source:
	"""A page that the answer cites. `start` and `end` are the positions of the text that it supports; None if unknown."""

	url: str
	title: str | None = None
	start: int | None = None
	end: int | None = None


@dataclass(frozen=True, slots=True)
class Image:
	"""An image that the model made: its media type, and its size in bytes."""

	type: str
	bytes: int


@dataclass(frozen=True, slots=True)
class Trimmed:
	"""What was left out of a question: how many tool results, and about how many tokens these were."""

	tool_results: int
	tokens: int


@dataclass(frozen=True, slots=True)
class Completion:
	"""The regular end. `finish_reason` is `stop`, `length`, `tool_calls` or `cancelled`.

	`dropped` names the fields of the question that were not sent, because the model does not take them.
	`effort` is the `reasoning_effort` that was sent in the place of one that the model does not take.
	`continuation` is what the provider wants back in the assistant's message (`{"continuation": …}`), so that the model
	goes on with its reasoning when its tool calls are answered. It is opaque, and None if the provider wants nothing.
	`sources` are the pages that the answer cites, `images` what the model drew. The images themselves are not kept. An
	answer may have images and no text.
	`key` is the label of the key that was used, if the provider has several.
	`trimmed` is what was left out of the question, because the model's context window cannot hold it.
	`compacted` says that the provider has replaced the beginning of the conversation by a summary in the `continuation`.
	`hung_up_on` is the provider and the model that were also asked, and whose connection was closed because another
	provider answered first.
	`unshown` is the kind of content that no chunk can show, as a kind of error. The gateway raises that error if the answer
	has no other content.
	`stop_sequence` is the one of the question's `stop` at which the model stopped, if the provider names it.
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
	sources: tuple[Source, ...] = ()
	images: tuple[Image, ...] = ()
	key: str = ""
	trimmed: Trimmed | None = None
	compacted: bool = False
	hung_up_on: tuple[str, str] | None = None
	stop_sequence: str | None = None


CallChunk = ToolCallStart | ToolCallDelta | ToolCall
Chunk = Reasoning | Text | CallChunk | Tick | Detached | Fallback | Completion | ToolStep


OPTIONS = tuple(
	"response_format stop top_p seed parallel_tool_calls presence_penalty frequency_penalty service_tier"
	" verbosity".split()
)
"""The fields of an Ask that only some APIs and models take."""


@dataclass(frozen=True, slots=True)
class Ask:
	"""One question. A field that is None is left to the provider.

	Args:
		messages: as in the OpenAI chat API. An assistant's message may hold the `continuation` of its Completion.
		model: the name of the model; empty for the provider's default model.
		tools: as in the OpenAI chat API, like `tool_choice` and the fields after `stream_tool_calls`.
		cache_key: what the questions of one task have in common, for the provider's cache.
		stream_tool_calls: whether each ToolCall is preceded by a ToolCallStart and ToolCallDeltas, as the provider writes
			it. A provider that holds arguments back until they are valid is asked not to.
		report_tool_calls: whether ToolCallStart and ToolCallDeltas are given without asking the provider for partial arguments.
		trim: what is left out if the model's context window cannot hold the question: `oldest_tool_results`; None for
			nothing.
		detached: whether the provider may run the answer by itself, so that another process can read it again.
		attach_to: the answer that is read again instead of asking. Only its provider is asked.
		compact: whether a provider whose API can compact a long conversation is asked to do so.
	"""

	messages: list[dict[str, Any]]
	model: str = ""
	temperature: float | None = None
	max_tokens: int | None = None
	reasoning_effort: str | None = None
	tools: list[dict[str, Any]] | None = None
	tool_choice: str | dict[str, Any] | None = None
	cache_key: str | None = None
	stream_tool_calls: bool = False
	report_tool_calls: bool = False
	response_format: dict[str, Any] | None = None
	stop: list[str] | None = None
	top_p: float | None = None
	seed: int | None = None
	parallel_tool_calls: bool | None = None
	presence_penalty: float | None = None
	frequency_penalty: float | None = None
	service_tier: str | None = None
	verbosity: str | None = None
	trim: str | None = None
	compact: bool = False
	detached: bool = False
	attach_to: Detached | None = None

	@property
	def prompt_bytes(self) -> int:
		"""The bytes of the messages and tools in UTF-8, from which their tokens are estimated."""
		return bytes_of(self.messages) + bytes_of_tools(self.tools)

	@property
	def uses_tools(self) -> bool:
		"""Whether it has tools, their calls or their answers. If not, nothing of tools is sent or given."""
		return bool(self.tools) or any(
			message.get("tool_calls") or message["role"] == "tool" for message in self.messages
		)

	@property
	def images(self) -> list[str]:
		"""The URLs of the images in the messages: `data:` URLs and links."""
		return [part["image_url"]["url"] for part in self._parts() if part["type"] == "image_url"]

	@property
	def part_types(self) -> set[str]:
		"""The types of the parts in the messages."""
		return {part["type"] for part in self._parts()}

	def _parts(self) -> Iterator[dict[str, Any]]:
		contents = (message.get("content") for message in self.messages)
		return (part for content in contents if isinstance(content, list) for part in content)

	@property
	def forces_a_call(self) -> bool:
		"""Whether the model has to call a tool."""
		return bool(self.tools) and self.tool_choice not in (None, "auto", "none")


@dataclass(frozen=True, slots=True)
class Key:
	"""One of several keys of a provider. Its label names it in logs and in `attempts`."""

	label: Name
	api_key: Name = field(repr=False)
	weight: Amount = 1


@dataclass(frozen=True, slots=True)
class ModelInfo:
	"""What is known of a model. A field that is None is unknown.

	`context_window` is the most tokens of a prompt, `max_output_tokens` that of an answer. `cache_min_tokens` is the
	shortest prompt that the provider caches. `efforts` are the values of `reasoning_effort` that the model takes.
	"""

	context_window: Count | None = None
	max_output_tokens: Count | None = None
	vision: bool | None = None
	documents: bool | None = None
	tools: bool | None = None
	efforts: tuple[Effort, ...] | None = None
	cache_min_tokens: Count | None = None


def spelling(model: str) -> str:
	"""Returns the same name for all spellings of a model: Azure ignores the case, and Gemini the prefix `models/`."""
	return model.strip().removeprefix("models/").lower()


@dataclass(frozen=True, slots=True)
class Provider:
	"""A configured provider. `api` is its name in litellm; `models` are those allowed, `*` for any.

	`prices` are by model, `*` for those without one of their own. `details` are by model, too. The administrator
	enters both, and they take precedence over litellm's list.
	"""

	name: Name
	api: Name
	api_key: Name = field(repr=False)
	default_model: Name
	models: tuple[str, ...] = ("*",)
	withheld: tuple[str, ...] = ()
	"""Models that `*` does not include."""
	api_base: str | None = None
	priority: Count = 100
	extra: dict[str, Any] = field(default_factory=dict, repr=False)
	prices: dict[str, Price] = field(default_factory=dict)
	prompt_cache: PromptCache = "5m"
	"""How long the stable part of a prompt is kept in the provider's cache."""
	weight: Amount | None = None
	"""How often it is asked first among providers of the same priority. Without a weight the name decides."""
	keys: tuple[Key, ...] = ()
	"""Several keys instead of `api_key`. Each is asked as often as its weight says."""
	key_label: str = ""
	details: dict[str, ModelInfo] = field(default_factory=dict)

	@property
	def listed_models(self) -> tuple[str, ...]:
		"""The default model and `models`, each once. `*` is one of them if the provider allows any model."""
		return tuple(dict.fromkeys((self.default_model, *self.models)))

	def allows(self, model: str) -> bool:
		"""Whether a model may be asked. `*` does not allow a withheld model, in any spelling."""
		if model in self.models:
			return True
		return "*" in self.models and spelling(model) not in [spelling(name) for name in self.withheld]

	def price(self, model: str) -> Price | None:
		"""Returns the administrator's price of a model in any spelling, or else the one for all models."""
		prices = {spelling(name): price for name, price in self.prices.items()}
		return self.prices.get(model) or prices.get(spelling(model)) or self.prices.get("*")
