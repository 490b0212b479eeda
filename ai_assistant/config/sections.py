"""The settings of a site: their types, bounds and defaults, which pydantic checks."""

import dataclasses
from collections.abc import Mapping
from dataclasses import field
from typing import Annotated

from annotated_types import Interval
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from ai_assistant.gateway import Key, Provider, Tier, Timeouts
from ai_assistant.gateway.field_types import Amount, Count, Effort, Name, Positive, Trim

# A value that is pasted or read from a file may have spaces and line ends around it.
STRICT = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False, str_strip_whitespace=True)


@dataclass(frozen=True, config=STRICT)
class Mode:
	"""A way to chat: its system prompt, and defaults for the fields that a client leaves out."""

	name: Name
	system_prompt: str | None = None
	provider: str | None = None
	model: str | None = None
	temperature: Annotated[float, Interval(ge=0, le=2)] | None = None
	reasoning_effort: Effort | None = None
	trim: Trim | None = None
	"""What is left out of a conversation that the model's context window cannot hold."""
	compact: bool = False
	"""Whether a provider whose API can compact a long conversation is asked to do so."""
	tools: tuple[str, ...] = ()
	"""The names of the site's tools that the model may call (docs/tools.md)."""


@dataclass(frozen=True, config=STRICT)
class ConfiguredKey(Key):
	enabled: bool = True


@dataclass(frozen=True, config=STRICT)
class ConfiguredProvider(Provider):
	"""A provider and the roles that may use it. `ai_assistant.config.access` applies them."""

	keys: tuple[ConfiguredKey, ...] = ()
	roles: tuple[str, ...] = ()
	"""Users with one of these roles may use the provider; empty for all users."""
	model_roles: dict[str, tuple[str, ...]] = field(default_factory=dict)
	"""The roles of each restricted model. A user needs one of them. Other models are for all users of the provider."""


@dataclass(frozen=True, config=STRICT)
class PriceTiers:
	tiers: tuple[Tier, ...]


@dataclass(frozen=True, config=STRICT)
class Alias:
	"""A name for a model, so that the configurations of clients outlast a change of models."""

	name: Name
	provider: Name
	model: Name
	mode: str | None = None
	"""The mode of requests of the standard APIs for this alias."""


@dataclass(frozen=True, config=STRICT)
class McpServer:
	"""A server whose tools a mode may name. It speaks the Model Context Protocol over HTTP."""

	name: Name
	url: Name
	token: str | None = field(default=None, repr=False)
	ask_first: bool = True
	"""Whether the user approves each call."""


@dataclass(frozen=True, config=STRICT)
class Limits:
	max_messages: Positive = 10_000
	max_chars: Positive | None = None
	"""The most characters in the messages of a request. None: as many as the largest window of the models that may be asked."""
	max_tokens: Positive = 32_000
	max_answer_chars: Positive = 1_000_000
	requests_per_minute: Positive = 20
	continuations_per_minute: Positive = 120
	"""Of requests whose last message answers a tool call. The others are limited by `requests_per_minute`."""
	concurrent_per_user: Positive = 4
	concurrent_per_site: Positive = 64
	web_percent: Positive = 50
	web_threads: Positive | None = None
	"""How many requests a web process serves at a time. None: the number on its command line, if there is one."""


@dataclass(frozen=True, config=STRICT)
class Budgets:
	"""The most tokens and US dollars in a day and in a month of the site. 0 or None means no budget."""

	user_tokens_per_day: Count | None = None
	user_tokens_per_month: Count | None = None
	user_cost_per_day: Amount | None = None
	user_cost_per_month: Amount | None = None
	site_tokens_per_day: Count | None = None
	site_tokens_per_month: Count | None = None
	site_cost_per_day: Amount | None = None
	site_cost_per_month: Amount | None = None


@dataclass(frozen=True, config=STRICT)
class SiteTimeouts(Timeouts):
	total_background_s: Amount = 3600
	"""The total in a worker, which no web server's timeout limits."""


@dataclass(frozen=True, config=STRICT)
class Failover:
	"""What happens when a provider fails before its first chunk, besides asking the next one."""

	retries: Count = 2
	"""How often a question is asked again after all providers have failed."""
	cool_down: bool = True
	"""Whether a provider or a key that keeps failing is asked last for a while."""
	hedge_s: Amount = 0
	"""How many seconds the first provider may be silent before the second is asked as well. 0 means that it is not."""


@dataclass(frozen=True, config=STRICT)
class Realtime:
	enabled: bool = True
	max_delay_ms: Count = 1000
	standard_apis: bool = True
	"""Whether the events of requests of the standard APIs are published, too."""


@dataclass(frozen=True, config=STRICT)
class Retention:
	"""Which parts of a request are kept after its end. Frappe's Log Settings decide how long."""

	keep_content: bool = True
	keep_questions: bool = False
	"""Whether the questions are kept as well, so that the page can list conversations. Without `keep_content` they are not."""


@dataclass(frozen=True, config=STRICT)
class Webhook:
	"""An address that is told when a request ends, and the secret that signs what is sent."""

	url: Name
	secret: Name = field(repr=False)


@dataclass(frozen=True, config=STRICT)
class Metrics:
	"""The token with which a monitoring system reads the metrics. System Managers need none."""

	token: str | None = None


@dataclass(frozen=True, config=STRICT)
class Alerts:
	"""The values above which `ai_assistant.operations.alerts` sends an alert, and `cached_percent`, below which it does."""

	event_failures_percent: Count = 1
	delivery_ms: Count = 1000
	first_event_ms: Count = 500
	provider_failures_percent: Count = 50
	email: bool = False
	cached_percent: Count | None = None
	"""The least share of the prompts that a provider reads from its cache. None: there is no alert."""


MODES = (
	Mode("chat", "You are a helpful assistant. Answer in the language of the question, in Markdown."),
	Mode(
		"agent",
		"You are a careful software engineer who works through a task step by step. Answer in Markdown.",
		reasoning_effort="medium",
	),
)


@dataclasses.dataclass(frozen=True)
class Settings:
	providers: tuple[ConfiguredProvider, ...] = ()
	modes: Mapping[str, Mode] = field(default_factory=dict)
	limits: Limits = field(default_factory=Limits)
	budgets: Budgets = field(default_factory=Budgets)
	timeouts: SiteTimeouts = field(default_factory=SiteTimeouts)
	failover: Failover = field(default_factory=Failover)
	realtime: Realtime = field(default_factory=Realtime)
	retention: Retention = field(default_factory=Retention)
	metrics: Metrics = field(default_factory=Metrics)
	alerts: Alerts = field(default_factory=Alerts)
	default_provider: str | None = None
	set_aside: tuple[tuple[str, str], ...] = ()
	"""The parts that are wrong: the name of the provider or the section, and a sentence without secrets for administrators."""
	no_chats: str | None = None
	"""The reason why no chat is accepted; None if chats are accepted."""
	aliases: Mapping[str, Alias] = field(default_factory=dict)
	webhooks: tuple[Webhook, ...] = ()
	mcp_servers: Mapping[str, McpServer] = field(default_factory=dict)
	is_limited: bool = False
	"""Whether the site has providers or models that the request at hand may not use."""

	@property
	def by_priority(self) -> list[ConfiguredProvider]:
		"""The providers by their priority, and by name where that is equal."""
		return sorted(self.providers, key=lambda provider: (provider.priority, provider.name))

	@property
	def default(self) -> ConfiguredProvider | None:
		"""The provider that is asked first if neither the request nor its mode names one."""
		return self.provider(self.default_provider or "") or next(iter(self.by_priority), None)

	def first_for(self, mode: Mode) -> tuple[ConfiguredProvider | None, str | None]:
		"""Returns the provider and the model that are asked first in a mode if the request names none."""
		provider = self.provider(mode.provider or "") or self.default
		if provider is None:
			return None, None
		return provider, mode.model if mode.model and provider.allows(mode.model) else provider.default_model

	def provider(self, name: str) -> ConfiguredProvider | None:
		return next((provider for provider in self.providers if provider.name == name), None)

	def why_not(self, name: str) -> str | None:
		"""Returns the reason why a provider is set aside; None if it is not."""
		if self.provider(name):
			return None
		return next((reason for aside, reason in self.set_aside if aside == name), None)
