"""What the site is configured to do: the contract's section 5, read anew for every request.

The forms of a bench say it (AI Assistant Settings, AI Provider), and the key `ai_assistant` of site_config.json,
of which each section wins over the forms' whole: a container needs no Desk.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from inspect import formatannotation
from typing import Any, TypeVar

import frappe
from frappe import _
from frappe.utils import cint

from ai_assistant import store
from ai_assistant.chat.errors import ChatError
from ai_assistant.gateway import Price, Provider, Timeouts
from ai_assistant.gateway.endpoint import trimmed, wrong_field

CONF_KEY = "ai_assistant"

EFFORTS = ("none", "low", "medium", "high")

# After so many seconds gunicorn kills the process of a request and nginx gives up, unless the bench says otherwise by
# this key of its configuration, from which both get theirs; an answer needs some of them to end and to be stored.
HTTP_TIMEOUT, HTTP_TIMEOUT_S, TO_END_S = "http_timeout", 120, 10

# Of any number: with an endless price one answer would use up every budget for good, and MariaDB could not keep it.
MOST = 10**15
T = TypeVar("T")


@dataclass(frozen=True)
class Mode:
	"""A way to chat: what the model is told first, and the defaults of what the client leaves out."""

	name: str
	system_prompt: str | None = None
	provider: str | None = None
	model: str | None = None
	temperature: float | None = None
	reasoning_effort: str | None = None


@dataclass(frozen=True)
class Limits:
	max_messages: int = 200
	max_chars: int = 400_000
	max_tokens: int = 32_000
	max_answer_chars: int = 1_000_000
	requests_per_minute: int = 20
	concurrent_per_user: int = 4
	concurrent_per_site: int = 64
	web_percent: int = 50


@dataclass(frozen=True)
class Budgets:
	"""What may be used, of tokens and in US dollars, in a day and in a month of the site; 0 or None is no budget."""

	user_tokens_per_day: int | None = None
	user_tokens_per_month: int | None = None
	user_cost_per_day: float | None = None
	user_cost_per_month: float | None = None
	site_tokens_per_day: int | None = None
	site_tokens_per_month: int | None = None
	site_cost_per_day: float | None = None
	site_cost_per_month: float | None = None


@dataclass(frozen=True)
class Background:
	"""Of `timeouts`, what a worker alone keeps: no web server's patience ends there."""

	total_background_s: float = 1200


@dataclass(frozen=True)
class Realtime:
	enabled: bool = True
	max_delay_ms: int = 1000


@dataclass(frozen=True)
class Retention:
	"""What is kept of a request that has ended; for how long is in Frappe's Log Settings."""

	keep_content: bool = True


@dataclass(frozen=True)
class Metrics:
	"""Whoever sends this token may read the site's figures; without one nobody but System Managers."""

	token: str | None = None


@dataclass(frozen=True)
class Alerts:
	"""From where on somebody is told (`ai_assistant.operate.alerts`)."""

	event_failures_percent: int = 1
	delivery_ms: int = 1000
	first_event_ms: int = 500
	provider_failures_percent: int = 50
	memory_growth_percent: int = 5
	email: bool = False


MODES = (
	Mode("chat", "You are a helpful assistant. Answer in the language of the question, in Markdown."),
	Mode(
		"agent",
		"You are a careful software engineer who works through a task step by step. Answer in Markdown.",
		reasoning_effort="medium",
	),
)


@dataclass(frozen=True)
class Settings:
	providers: tuple[Provider, ...] = ()
	modes: Mapping[str, Mode] = field(default_factory=dict)
	limits: Limits = Limits()
	budgets: Budgets = Budgets()
	timeouts: Timeouts = field(default_factory=Timeouts)
	background: Background = Background()
	realtime: Realtime = Realtime()
	retention: Retention = Retention()
	metrics: Metrics = Metrics()
	alerts: Alerts = Alerts()
	default_provider: str | None = None

	@property
	def default(self) -> Provider | None:
		"""Who is asked first where neither the request nor its mode names a provider."""
		first = min(self.providers, key=lambda each: (each.priority, each.name), default=None)
		return self.provider(self.default_provider or "") or first

	def first_for(self, mode: Mode) -> tuple[Provider | None, str | None]:
		"""Who is asked first in a mode where the request names nobody, and for which model."""
		provider = self.provider(mode.provider or "") or self.default
		if provider is None:
			return None, None
		return provider, mode.model if mode.model and provider.allows(mode.model) else provider.default_model

	def provider(self, name: str) -> Provider | None:
		return next((provider for provider in self.providers if provider.name == name), None)


# Of each site: what its configuration said last, and what that came to.
_known_as: dict[str, tuple[str, Settings]] = {}


def load() -> Settings:
	"""The site's settings. Raises ChatError `not_configured` naming what is wrong in the configuration."""
	forms, given = store.current().settings(), frappe.conf.get(CONF_KEY)
	# To Python `True` is equal to 1, and to us it is not.
	said = repr((forms, given, frappe.conf.get(HTTP_TIMEOUT)))
	known = _known_as.get(frappe.local.site)
	if known and known[0] == said:
		return known[1]
	settings = of(forms, given)
	_known_as[frappe.local.site] = (said, settings)
	return settings


def of(forms: Mapping[str, Any], given: Any) -> Settings:
	"""The settings that a site's `forms` make with what its site_config.json has `given`. Raises as `load` does."""
	if not isinstance(given, Mapping | None):
		raise _wrong(CONF_KEY, "an object")
	conf = {**forms, **(given or {})}
	modes = {mode.name: mode for mode in MODES}
	for n, each in enumerate(_list(conf, "modes")):
		mode = _build(Mode, each, f"modes[{n}]")
		if mode.reasoning_effort not in (None, *EFFORTS):
			raise _wrong(f"modes[{n}].reasoning_effort", ", ".join(EFFORTS))
		if mode.temperature is not None and mode.temperature > 2:
			raise _wrong(f"modes[{n}].temperature", "a number from 0 to 2")
		# What is not said of a mode that ships stays as it ships.
		modes[mode.name] = replace(modes[mode.name], **each) if mode.name in modes else mode
	providers = [provider_of(each, f"providers[{n}]") for n, each in enumerate(_list(conf, "providers"))]
	for n, each in enumerate(providers):
		if any(each.name == earlier.name for earlier in providers[:n]):
			raise _wrong(f"providers[{n}].name", "a name that no other provider has")
	limits = _known(Limits, conf, "limits")
	for name, value in vars(limits).items():
		if value < 1:
			raise _wrong(f"limits.{name}", "a number from 1")
	default = conf.get("default_provider")
	if not isinstance(default, str | None):
		raise _wrong("default_provider", "the name of a provider")
	return Settings(
		providers=tuple(providers),
		modes=modes,
		limits=limits,
		# A misspelled one would be none at all, and nobody would notice before the bill.
		budgets=_build(Budgets, conf.get("budgets") or {}, "budgets"),
		timeouts=_within_web(_known(Timeouts, conf, "timeouts")),
		background=_known(Background, conf, "timeouts"),
		realtime=_known(Realtime, conf, "realtime"),
		retention=_known(Retention, conf, "retention"),
		metrics=_known(Metrics, conf, "metrics"),
		alerts=_known(Alerts, conf, "alerts"),
		default_provider=default,
	)


def _within_web(timeouts: Timeouts) -> Timeouts:
	"""The same, with a total that ends before the web server does. A worker has its own (`Background`)."""
	patience = max(2 * TO_END_S, cint(frappe.conf.get(HTTP_TIMEOUT)) or HTTP_TIMEOUT_S)
	return replace(timeouts, total_s=min(timeouts.total_s, patience - TO_END_S))


def provider_of(given: Any, where: str) -> Provider:
	"""A provider from its JSON. Raises ChatError `not_configured` naming what is wrong, and that it is at `where`."""
	if isinstance(given, Mapping):
		given = trimmed(given)
	if isinstance(given, Mapping) and isinstance(given.get("models"), list):
		models = (model.strip() if isinstance(model, str) else model for model in given["models"])
		given = {**given, "models": tuple(models)}
	if isinstance(given, Mapping) and isinstance(given.get("prices"), Mapping):
		prices = given["prices"].items()
		given = {
			**given,
			"prices": {model: _price(each, f"{where}.prices.{model}") for model, each in prices},
		}
	provider = _build(Provider, given, where)
	if wrong := wrong_field(provider):
		name, accepted = wrong
		raise _wrong(f"{where}.{name}", accepted)
	if not provider.allows(provider.default_model):
		raise _wrong(f"{where}.default_model", "one of its models")
	return provider


def _price(given: Any, where: str) -> Price:
	for name in ("input", "output"):
		# One without the other would be half for nothing.
		if not isinstance(given, Mapping) or given.get(name) is None:
			raise _wrong(where, "an object with input and output, in US dollars a million tokens")
	return _build(Price, given, where)


def _list(conf: Mapping[str, Any], key: str) -> list[Any]:
	found = conf.get(key)
	if not isinstance(found, list | None):
		raise _wrong(key, "a list")
	return found or []


def _known(kind: type[T], conf: Mapping[str, Any], key: str) -> T:
	"""Of a group of settings those that exist by now; a site may already hold later ones."""
	given = conf.get(key)
	if not isinstance(given, Mapping | None):
		raise _wrong(key, "an object")
	names = {each.name for each in fields(kind)}  # type: ignore[arg-type]
	return _build(kind, {name: value for name, value in (given or {}).items() if name in names}, key)


def _build(kind: type[T], given: Any, where: str) -> T:
	"""A settings object from its JSON. An unknown name is refused: it would be a misspelled known one."""
	if not isinstance(given, Mapping):
		raise _wrong(where, "an object")
	known = {each.name: each for each in fields(kind)}  # type: ignore[arg-type]
	for name, value in given.items():
		if name not in known:
			raise _wrong(f"{where}.{name}", ", ".join(known))
		if not _fits(value, wanted := formatannotation(known[name].type)):
			raise _wrong(f"{where}.{name}", wanted.replace("tuple[str, ...]", "list of strings"))
	for name in ("name", "api", "api_key", "default_model"):
		# An empty key would make litellm look for one in the process's environment.
		if name in known and not given.get(name):
			raise _wrong(f"{where}.{name}", "a string that is not empty")
	return kind(**given)


def _fits(value: Any, annotation: str) -> bool:
	if value is None:
		return "None" in annotation
	if "bool" in annotation or isinstance(value, bool):
		return "bool" in annotation and isinstance(value, bool)
	if "int" in annotation or "float" in annotation:
		return isinstance(value, int if "int" in annotation else int | float) and 0 <= value <= MOST
	if "tuple" in annotation:
		return isinstance(value, tuple) and all(isinstance(each, str) for each in value)
	if "dict" in annotation:
		return isinstance(value, dict)
	return isinstance(value, str)


def _wrong(where: str, accepted: str) -> ChatError:
	message = _("The site's AI configuration is wrong at {0}; accepted: {1}.").format(where, accepted)
	return ChatError("not_configured", message)
