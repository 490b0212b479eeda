"""What the site is configured to do: the contract's section 5, looked at for every request and parsed once a change.

The forms of a bench say it (AI Assistant Settings, AI Provider), and the key `ai_assistant` of site_config.json,
of which each section wins over the forms' whole: a container needs no Desk.

What is wrong is set aside with its reason, and the rest goes on: a provider as a whole, anything else by its field,
for which the app's default counts. Two things are not left to a default that is more than was asked for: where a budget
is wrong no chat is accepted, and where it is wrong whether content is kept none is.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from inspect import formatannotation
from typing import Any, TypeVar

import frappe
from frappe import _
from frappe.utils import cint

from ai_assistant.gateway import Key, ModelInfo, Price, Provider, Tier, Timeouts, apis
from ai_assistant.gateway.caching import SETTINGS as PROMPT_CACHES
from ai_assistant.gateway.efforts import EFFORTS
from ai_assistant.gateway.endpoint import is_key, trimmed, wrong_field
from ai_assistant.log import escaped, logger
from ai_assistant.log import fields as about
from ai_assistant.printing import printable

from . import forms

CONF_KEY = "ai_assistant"

# After so many seconds gunicorn kills the process of a request and nginx gives up, unless the bench says otherwise by
# this key of its configuration, from which both get theirs; an answer needs some of them to end and to be stored.
HTTP_TIMEOUT, HTTP_TIMEOUT_S, TO_END_S = "http_timeout", 120, 10

# Of any number: with an endless price one answer would use up every budget for good, and MariaDB could not keep it.
MOST = 10**15
# An empty key would make litellm look for one in the process's environment.
NEEDED = ("name", "api", "api_key", "default_model")
# The first of them that a field's annotation has is said of it.
WORDS = {
	"dict": "an object",
	"tuple": "a list of strings",
	"bool": "true or false",
	"int": "a whole number from 0",
	"float": "a number from 0",
	"str": "a string",
}
T = TypeVar("T")


class Wrong(ValueError):
	"""What cannot be used of a configuration: one sentence with its field and what that accepts."""


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
class ConfiguredProvider(Provider):
	"""A provider and the roles that may use it. `ai_assistant.config.access` applies them."""

	roles: tuple[str, ...] = ()
	"""Users with one of these roles may use the provider; empty for all users."""
	model_roles: dict[str, tuple[str, ...]] = field(default_factory=dict)
	"""By model, the roles of which a user needs one. A model without an entry is for all users of the provider."""


@dataclass(frozen=True)
class Alias:
	"""A name for a model, so that the configurations of clients outlast a change of models."""

	name: str
	provider: str
	model: str


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
	web_threads: int | None = None
	"""How many requests a web process serves at a time; None for what its command line says, if that does."""


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
class Failover:
	"""What happens when a provider fails before its first chunk, besides asking the next one."""

	retries: int = 2
	"""How often a question is asked again after all providers have failed."""
	cool_down: bool = True
	"""Whether a provider or a key that keeps failing is asked last for a while."""


@dataclass(frozen=True)
class Realtime:
	enabled: bool = True
	max_delay_ms: int = 1000
	standard_apis: bool = True
	"""Whether the events of requests of the standard APIs are published, too."""


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
	"""From where on somebody is told (`ai_assistant.operations.alerts`)."""

	event_failures_percent: int = 1
	delivery_ms: int = 1000
	first_event_ms: int = 500
	provider_failures_percent: int = 50
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
	providers: tuple[ConfiguredProvider, ...] = ()
	modes: Mapping[str, Mode] = field(default_factory=dict)
	limits: Limits = Limits()
	budgets: Budgets = Budgets()
	timeouts: Timeouts = field(default_factory=Timeouts)
	background: Background = Background()
	failover: Failover = Failover()
	realtime: Realtime = Realtime()
	retention: Retention = Retention()
	metrics: Metrics = Metrics()
	alerts: Alerts = Alerts()
	default_provider: str | None = None
	set_aside: tuple[tuple[str, str], ...] = ()
	"""What is wrong and not used, by the name of the provider or the section, and why: without a key, for an administrator."""
	no_chats: str | None = None
	"""Why no chat is accepted, though there are providers."""
	aliases: Mapping[str, Alias] = field(default_factory=dict)
	is_limited: bool = False
	"""Whether the site has providers or models that the request at hand may not use."""

	@property
	def default(self) -> ConfiguredProvider | None:
		"""Who is asked first where neither the request nor its mode names a provider."""
		first = min(self.providers, key=lambda each: (each.priority, each.name), default=None)
		return self.provider(self.default_provider or "") or first

	def first_for(self, mode: Mode) -> tuple[ConfiguredProvider | None, str | None]:
		"""Who is asked first in a mode where the request names nobody, and for which model."""
		provider = self.provider(mode.provider or "") or self.default
		if provider is None:
			return None, None
		return provider, mode.model if mode.model and provider.allows(mode.model) else provider.default_model

	def provider(self, name: str) -> ConfiguredProvider | None:
		return next((provider for provider in self.providers if provider.name == name), None)

	def why_not(self, name: str) -> str | None:
		"""Why a provider is set aside; None for one that is not."""
		if self.provider(name):
			return None
		return next((reason for aside, reason in self.set_aside if aside == name), None)


# Of each site, and language in which a reason is said: what its configuration said last, and what that came to.
_known_as: dict[tuple[str, str | None], tuple[str, Settings]] = {}


def load() -> Settings:
	"""The site's settings, of whatever can be used in its configuration."""
	from_forms, given = forms.read(), frappe.conf.get(CONF_KEY)
	# To Python `True` is equal to 1, and to us it is not.
	said = repr((from_forms, given, frappe.conf.get(HTTP_TIMEOUT)))
	key = (frappe.local.site, getattr(frappe.local, "lang", None))
	known = _known_as.get(key)
	if known and known[0] == said:
		return known[1]
	settings = of(from_forms, given)
	_known_as[key] = (said, settings)
	for name, reason in settings.set_aside:
		logger().warning(f"[Config] ❌ not used: {printable(reason)} {about(name=name)}")
	return settings


def of(forms: Mapping[str, Any], given: Any) -> Settings:
	"""The settings that a site's `forms` make with what its site_config.json has `given`."""
	aside: list[tuple[str, str]] = []
	unreadable = not isinstance(given, Mapping | None)
	if unreadable:
		aside.append((CONF_KEY, _accepts(CONF_KEY, "an object")))
	conf = {**forms, **({} if unreadable else given or {})}
	default = conf.get("default_provider")
	if not isinstance(default, str | None):
		aside.append(("default_provider", _accepts("default_provider", "the name of a provider")))
		default = None
	providers = _providers(_list(conf, "providers", aside), aside)
	aliases = _aliases(_list(conf, "aliases", aside), providers, aside)
	modes = _modes(_list(conf, "modes", aside), aside)
	limits = _section(Limits, conf, "limits", aside)
	timeouts = _section(Timeouts, conf, "timeouts", aside)
	background = _section(Background, conf, "timeouts", aside)
	failover = _section(Failover, conf, "failover", aside)
	realtime = _section(Realtime, conf, "realtime", aside)
	metrics = _section(Metrics, conf, "metrics", aside)
	alerts = _section(Alerts, conf, "alerts", aside)
	before = len(aside)
	retention = _section(Retention, conf, "retention", aside)
	if len(aside) > before:
		retention = Retention(keep_content=False)
	before = len(aside)
	budgets = _section(Budgets, conf, "budgets", aside, strict=True)
	wrong = aside[before:] + aside[: int(unreadable)]
	return Settings(
		providers=providers,
		aliases=aliases,
		modes=modes,
		limits=limits,
		budgets=budgets,
		timeouts=_within_web(timeouts),
		background=background,
		failover=failover,
		realtime=realtime,
		retention=retention,
		metrics=metrics,
		alerts=alerts,
		default_provider=default,
		# What two sections have in common is said once.
		set_aside=tuple(dict.fromkeys(aside)),
		no_chats=_("No chat is accepted, because a budget may be missing: {0}").format(
			" ".join(reason for _name, reason in wrong)
		)
		if wrong
		else None,
	)


def _providers(given: list[Any], aside: list[tuple[str, str]]) -> tuple[ConfiguredProvider, ...]:
	found: dict[str, ConfiguredProvider] = {}
	for n, each in enumerate(given):
		name = each.get("name") if isinstance(each, Mapping) else None
		name = name if isinstance(name, str) and name else f"providers[{n}]"
		try:
			provider = provider_of(each)
			if provider.name in found:
				raise Wrong(_accepts("name", "a name that no other provider has"))
			found[provider.name] = provider
		except Wrong as wrong:
			aside.append((name, str(wrong)))
	return tuple(found.values())


def _aliases(
	given: list[Any], providers: tuple[ConfiguredProvider, ...], aside: list[tuple[str, str]]
) -> dict[str, Alias]:
	by_name = {provider.name: provider for provider in providers}
	aliases: dict[str, Alias] = {}
	for n, values in enumerate(given):
		where = f"aliases[{n}]"
		try:
			for name in ("name", "provider", "model"):
				if isinstance(values, Mapping) and not values.get(name):
					raise Wrong(_accepts(f"{where}.{name}", "a string that is not empty"))
			alias = _build(Alias, values, where)
			provider = by_name.get(alias.provider)
			if provider is None:
				raise Wrong(_accepts(f"{where}.provider", "the name of a provider that can be used"))
			if not provider.allows(alias.model):
				raise Wrong(_accepts(f"{where}.model", "one of the models of its provider"))
			aliases[alias.name] = alias
		except Wrong as wrong:
			label = values.get("name") if isinstance(values, Mapping) else None
			aside.append((label if isinstance(label, str) and label else where, str(wrong)))
	return aliases


def _modes(given: list[Any], aside: list[tuple[str, str]]) -> dict[str, Mode]:
	modes = {mode.name: mode for mode in MODES}
	for n, each in enumerate(given):
		where = f"modes[{n}]"
		values = _usable(Mode, each, where, "modes", aside)
		if name := values.get("name"):
			# What is not said of a mode that ships stays as it ships.
			modes[name] = replace(modes.get(name, Mode(name)), **values)
	return modes


def _within_web(timeouts: Timeouts) -> Timeouts:
	"""The same, with a total that ends before the web server does. A worker has its own (`Background`)."""
	patience = max(2 * TO_END_S, cint(frappe.conf.get(HTTP_TIMEOUT)) or HTTP_TIMEOUT_S)
	return replace(timeouts, total_s=min(timeouts.total_s, patience - TO_END_S))


def provider_of(given: Any) -> ConfiguredProvider:
	"""A provider from its JSON. Raises Wrong."""
	keys: tuple[Key, ...] = ()
	if isinstance(given, Mapping):
		given = trimmed(given)
		if given.get("api_key") is forms.UNREADABLE:
			raise Wrong(_("The key of {0} cannot be decrypted; enter it again.").format(given.get("name")))
		if isinstance(given.get("models"), list):
			models = (model.strip() if isinstance(model, str) else model for model in given["models"])
			given = {**given, "models": tuple(models)}
		for name in ("roles", "withheld"):
			if isinstance(given.get(name), list):
				given = {**given, name: tuple(given[name])}
		if isinstance(given.get("model_roles"), Mapping):
			given = {**given, "model_roles": _model_roles(given["model_roles"])}
		if isinstance(given.get("prices"), Mapping):
			prices = given["prices"].items()
			given = {**given, "prices": {model: price_of(each, f"prices.{model}") for model, each in prices}}
		if isinstance(given.get("details"), Mapping):
			details = given["details"].items()
			given = {
				**given,
				"details": {model: _details(each, f"details.{model}") for model, each in details},
			}
		if "keys" in given:
			keys = _keys(given["keys"])
			given = {**given, "api_key": given.get("api_key") or (keys[0].api_key if keys else None)}
			del given["keys"]
	provider = replace(_build(ConfiguredProvider, given, ""), keys=keys)
	if wrong := wrong_field(provider):
		raise Wrong(_accepts(*wrong))
	if (known := apis()) and provider.api not in known:
		raise Wrong(_accepts("api", "a provider's name in litellm, as openai, anthropic, gemini"))
	if not provider.allows(provider.default_model):
		raise Wrong(_accepts("default_model", "one of its models"))
	return provider


def _keys(given: Any) -> tuple[Key, ...]:
	"""The keys of a provider that are enabled. Raises Wrong."""
	if not isinstance(given, list) or not given:
		raise Wrong(_accepts("keys", "a list of objects with label, api_key, weight and enabled"))
	keys: dict[str, Key] = {}
	for n, values in enumerate(given):
		where = f"keys[{n}]"
		fields_of_key = trimmed(values) if isinstance(values, Mapping) else {}
		if fields_of_key.pop("enabled", True) in (False, 0):
			continue
		key = _build(Key, fields_of_key, where)
		if not is_key(key.api_key):
			raise Wrong(
				_accepts(f"{where}.api_key", "a key without a line end or another control character in it")
			)
		if not key.label or key.label in keys:
			raise Wrong(_accepts(f"{where}.label", "a name that no other key of the provider has"))
		keys[key.label] = key
	if not keys:
		raise Wrong(_accepts("keys", "at least one key that is enabled"))
	return tuple(keys.values())


def price_of(given: Any, where: str) -> Price:
	"""The price of a model from its JSON, which is called `where` in an error. Raises Wrong."""
	for name in ("input", "output"):
		# One without the other would be half for nothing.
		if not isinstance(given, Mapping) or given.get(name) is None:
			raise Wrong(_accepts(where, "an object with input and output, in US dollars a million tokens"))
	tiers = given.get("tiers") or []
	if not isinstance(tiers, list):
		raise Wrong(_accepts(f"{where}.tiers", "a list of objects"))
	built = tuple(_build(Tier, tier, f"{where}.tiers[{n}]") for n, tier in enumerate(tiers))
	return replace(_build(Price, {**given, "tiers": ()}, where), tiers=built)


def _details(values: Any, where: str) -> ModelInfo:
	"""The administrator's figures of a model from their JSON. Raises Wrong."""
	if isinstance(values, Mapping) and isinstance(efforts := values.get("efforts"), list):
		if not all(effort in EFFORTS for effort in efforts):
			raise Wrong(_accepts(f"{where}.efforts", "a list of " + ", ".join(EFFORTS)))
		values = {**values, "efforts": tuple(efforts)}
	return _build(ModelInfo, values, where)


def _model_roles(given: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
	for model, roles in given.items():
		if not isinstance(roles, list) or not all(isinstance(role, str) for role in roles):
			raise Wrong(_accepts(f"model_roles.{model}", "a list of strings"))
	return {model: tuple(roles) for model, roles in given.items()}


def _list(conf: Mapping[str, Any], key: str, aside: list[tuple[str, str]]) -> list[Any]:
	found = conf.get(key)
	if not isinstance(found, list | None):
		aside.append((key, _accepts(key, "a list")))
		return []
	return found or []


def _section(
	kind: type[T], conf: Mapping[str, Any], key: str, aside: list[tuple[str, str]], strict: bool = False
) -> T:
	"""A group of settings, of which those count that exist by now and are right.

	A site may already hold later ones; where `strict`, a misspelled one would be none at all, and nobody would notice.
	"""
	given = conf.get(key)
	if isinstance(given, Mapping) and not strict:
		names = {each.name for each in fields(kind)}  # type: ignore[arg-type]
		given = {name: value for name, value in given.items() if name in names}
	return kind(**_usable(kind, {} if given is None else given, key, key, aside))


def _usable(
	kind: type[Any], given: Any, where: str, name: str, aside: list[tuple[str, str]]
) -> dict[str, Any]:
	"""The fields that are right, and sets the others aside under a name."""
	wrong = dict(_wrong(kind, given, where))
	aside += [(name, _accepts(path, accepted)) for path, accepted in wrong.items()]
	if not isinstance(given, Mapping):
		return {}
	known = [each.name for each in fields(kind) if each.name in given]
	return {key: given[key] for key in known if f"{where}.{key}" not in wrong}


def _build(kind: type[T], given: Any, where: str) -> T:
	"""A settings object from its JSON. Raises Wrong."""
	for path, accepted in _wrong(kind, given, where):
		raise Wrong(_accepts(path, accepted))
	return kind(**given)


def _wrong(kind: type[Any], given: Any, where: str) -> Iterator[tuple[str, str]]:
	"""What there is to say of the JSON of a settings object: fields, and what each accepts."""
	if not isinstance(given, Mapping):
		yield where or "providers", "an object"
		return
	known = {each.name: formatannotation(each.type) for each in fields(kind)}
	needed = [name for name in NEEDED if name in known and not given.get(name)]
	for name in needed:
		yield f"{where}.{name}" if where else name, "a string that is not empty"
	for name, value in given.items():
		if name in needed:
			continue
		path = f"{where}.{name}" if where else str(name)
		if name not in known:
			# It would be a misspelled known one.
			yield path.removesuffix(str(name)) + escaped(name), "one of " + ", ".join(known)
		elif not _fits(value, known[name]):
			yield path, next(words for kind_of, words in WORDS.items() if kind_of in known[name])
		elif kind is Limits and value is not None and value < 1:
			yield path, "a number from 1"
		elif name == "reasoning_effort" and value not in (None, *EFFORTS):
			yield path, "one of " + ", ".join(EFFORTS)
		elif name == "prompt_cache" and value not in PROMPT_CACHES:
			yield path, "one of " + ", ".join(PROMPT_CACHES)
		elif name == "temperature" and value is not None and value > 2:
			yield path, "a number from 0 to 2"


def _fits(value: Any, annotation: str) -> bool:
	if value is None:
		return "None" in annotation
	if "bool" in annotation or isinstance(value, bool):
		return "bool" in annotation and isinstance(value, bool)
	if "int" in annotation or "float" in annotation:
		return isinstance(value, int if "int" in annotation else int | float) and 0 <= value <= MOST
	if "dict" in annotation:
		return isinstance(value, dict)
	if "tuple" in annotation:
		return isinstance(value, tuple) and all(isinstance(each, str) for each in value)
	return isinstance(value, str)


def _accepts(where: str, accepted: str) -> str:
	return str(_("{0} accepts {1}.")).format(where, accepted)
