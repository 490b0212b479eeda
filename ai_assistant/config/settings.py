"""The settings of a site. They are read for every request, and parsed after each change.

They come from the forms of a bench (AI Assistant Settings, AI Provider) and from the key `ai_assistant` of
site_config.json. A section of site_config.json replaces the whole section of the forms. A container therefore
needs no Desk.

A part that is wrong is set aside with its reason, and the rest remains valid. A wrong provider is not used. A
wrong field elsewhere is replaced by its default, with two exceptions, because these defaults would allow more
than the administrator wants. If a budget is wrong, no chat is accepted. If the retention is wrong, no content
is kept.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

import frappe
from frappe import _
from frappe.utils import cint

from ai_assistant.log import fields as about
from ai_assistant.log import logger
from ai_assistant.printing import printable

from . import forms
from .parsing import Aside, Wrong, accepts, build, list_of, section, usable
from .provider import provider_of
from .sections import (
	MODES,
	Alerts,
	Alias,
	Budgets,
	ConfiguredProvider,
	Limits,
	McpServer,
	Mode,
	Retention,
	Settings,
	SiteTimeouts,
	Webhook,
)
from .webhook import webhooks_of

# Of the sections, what modules import from here.
__all__ = ["Alerts", "Budgets", "ConfiguredProvider", "Limits", "McpServer", "Mode", "Settings", "Webhook"]

CONF_KEY = "ai_assistant"
Part = TypeVar("Part", ConfiguredProvider, Alias, McpServer)

# The sections, each with its type: the fields of Settings that are dataclasses themselves.
SECTIONS: dict[str, Any] = {
	field.name: field.default_factory for field in fields(Settings) if is_dataclass(field.default_factory)
}

# gunicorn kills the process of a request after this many seconds and nginx gives up, unless the bench's configuration has
# another number under this key. An answer needs some of them to end and to be stored.
HTTP_TIMEOUT, HTTP_TIMEOUT_S, TO_END_S = "http_timeout", 120, 10


# The name is the beginning of the names of the server's tools, which have at most 64 characters.
SERVER_NAME = re.compile(r"[a-z0-9-]{1,20}")

# By site and language: the last configuration as text, and its settings. The reasons in them are translated.
_known_as: dict[tuple[str, str | None], tuple[str, Settings]] = {}


def load() -> Settings:
	"""Returns the site's settings, from the parts of its configuration that are right."""
	conf = frappe.local.conf
	from_file = conf.get(CONF_KEY)
	# Compared as text: True is equal to 1 in Python, and only one of them is right for a field.
	text = repr((forms.version(), from_file, conf.get(HTTP_TIMEOUT)))
	key = (frappe.local.site, getattr(frappe.local, "lang", None))
	known = _known_as.get(key)
	if known and known[0] == text:
		return known[1]
	settings = of(forms.read(), from_file)
	_known_as[key] = (text, settings)
	for name, reason in settings.set_aside:
		logger().warning(f"[Config] ❌ not used: {printable(reason)} {about(name=name)}")
	return settings


def of(forms: Mapping[str, Any], from_file: Any) -> Settings:
	"""Builds the settings from the site's `forms` and from the key `ai_assistant` of its site_config.json (`from_file`)."""
	unreadable: Aside = []
	if not isinstance(from_file, Mapping | None):
		unreadable.append((CONF_KEY, accepts(CONF_KEY, "an object")))
		from_file = None
	aside: Aside = []
	conf = {**forms, **(from_file or {})}
	default = conf.get("default_provider")
	if not isinstance(default, str | None):
		aside.append(("default_provider", accepts("default_provider", "the name of a provider")))
		default = None
	providers = _parts(conf, "providers", aside, _provider)
	modes = _modes(list_of(conf, "modes", aside), aside)
	webhooks = webhooks_of(list_of(conf, "webhooks", aside), aside)
	aliases = _parts(conf, "aliases", aside, _alias, providers, modes)
	mcp_servers = _parts(conf, "mcp_servers", aside, _mcp_server)
	wrong: Aside = []
	sections = {name: section(kind, conf, name, wrong) for name, kind in SECTIONS.items()}
	sections["timeouts"] = _within_web(sections["timeouts"])
	if any(name == "retention" for name, _reason in wrong):
		sections["retention"] = Retention(keep_content=False)
	budgets = [reason for name, reason in (*wrong, *unreadable) if name in ("budgets", CONF_KEY)]
	no_chats = _("No chat is accepted, because a budget may be missing: {0}").format(" ".join(budgets))
	return Settings(
		providers=tuple(providers.values()),
		aliases=aliases,
		modes=modes,
		webhooks=webhooks,
		mcp_servers=mcp_servers,
		default_provider=default,
		set_aside=(*unreadable, *aside, *wrong),
		no_chats=no_chats if budgets else None,
		**sections,
	)


def _parts(
	conf: Mapping[str, Any], key: str, aside: Aside, part_of: Callable[..., Part], *context: Any
) -> dict[str, Part]:
	"""Returns the parts of a list that are right, by their names. The others are set aside in `aside`.

	Args:
		conf: the configuration.
		key: the key of the list.
		aside: the name of each part that is wrong, or else its place, and the reason.
		part_of: builds a part from its JSON, its place, the parts before it and `context`. Raises Wrong.
		context: what else a part depends on.
	"""
	parts: dict[str, Part] = {}
	for n, values in enumerate(list_of(conf, key, aside)):
		where = f"{key}[{n}]"
		try:
			part = part_of(values, where, parts, *context)
			parts[part.name] = part
		except Wrong as wrong:
			name = values.get("name") if isinstance(values, Mapping) else None
			aside.append((name if isinstance(name, str) and name else where, str(wrong)))
	return parts


def _provider(values: Any, _where: str, others: dict[str, ConfiguredProvider]) -> ConfiguredProvider:
	provider = provider_of(values)
	if provider.name in others:
		raise Wrong(accepts("name", "a name that no other provider has"))
	return provider


def _alias(
	values: Any, where: str, _others: Any, providers: dict[str, ConfiguredProvider], modes: dict[str, Mode]
) -> Alias:
	alias = build(Alias, values, where)
	provider = providers.get(alias.provider)
	if provider is None:
		raise Wrong(accepts(f"{where}.provider", "the name of a provider that can be used"))
	if not provider.allows(alias.model):
		raise Wrong(accepts(f"{where}.model", "one of the models of its provider"))
	if alias.mode and alias.mode not in modes:
		raise Wrong(accepts(f"{where}.mode", "the name of a mode"))
	return alias


def _mcp_server(values: Any, where: str, others: dict[str, McpServer]) -> McpServer:
	if isinstance(values, Mapping) and not isinstance(values.get("token"), str | None):
		# It was encrypted with another encryption key.
		raise Wrong(accepts(f"{where}.token", "a string"))
	server = build(McpServer, values, where)
	if not SERVER_NAME.fullmatch(server.name) or server.name in others:
		raise Wrong(accepts(f"{where}.name", "a name of 1 to 20 of a-z, 0-9 and - that no other has"))
	if not server.url.startswith(("https://", "http://")):
		raise Wrong(accepts(f"{where}.url", "an address that begins with https:// or http://"))
	return server


def _modes(items: list[Any], aside: Aside) -> dict[str, Mode]:
	modes = {mode.name: mode for mode in MODES}
	for n, item in enumerate(items):
		where = f"modes[{n}]"
		values = usable(Mode, item, where, "modes", aside)
		if "tools" in values:
			values["tools"] = tuple(values["tools"])
		if name := values.get("name"):
			# The fields that are left out of a mode of the app keep the app's values.
			modes[name] = replace(modes.get(name, Mode(name)), **values)
	return modes


def _within_web(timeouts: SiteTimeouts) -> SiteTimeouts:
	"""Returns the timeouts with a total that ends before the web server's timeout."""
	http_timeout_s = max(2 * TO_END_S, cint(frappe.conf.get(HTTP_TIMEOUT)) or HTTP_TIMEOUT_S)
	return replace(timeouts, total_s=min(timeouts.total_s, http_timeout_s - TO_END_S))
