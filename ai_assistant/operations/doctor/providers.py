"""Checks of the configuration and of each provider. The standalone site's doctor uses them too."""

import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import NoReturn
from urllib.parse import urlsplit

import frappe

from ai_assistant.chat import provider_health
from ai_assistant.chat.errors import ChatError, provider_failure
from ai_assistant.chat.request import be_ready
from ai_assistant.config import settings
from ai_assistant.gateway import Provider, ProviderError, first_chunk_ms, preload
from ai_assistant.gateway.health import REFUSED, Rest

from .. import provider_figures
from .check import Check, CheckFailed, counted, host_of

# Longer than the deadlines inside the check, because their failures name the cause.
PROVIDER_DEADLINE_S = 60.0
CORRECT = "Correct it in Desk (AI Provider, AI Assistant Settings), or in site_config.json, which wins."


def configuration(load: Callable[[], settings.Settings] = settings.load) -> str:
	"""Check that the site can answer chats by its configuration."""
	try:
		loaded = load()
	except (frappe.DoesNotExistError, frappe.db.ProgrammingError, frappe.db.OperationalError) as error:
		site = frappe.local.site
		raise CheckFailed(
			f"the site lacks the tables of this version of the app ({type(error).__name__})",
			f"bench --site {site} install-app ai_assistant; if it is installed, bench --site {site} migrate.",
		)
	try:
		be_ready(loaded)
	except ChatError as error:
		if loaded.set_aside:
			raise CheckFailed(str(error), CORRECT)
		raise CheckFailed("no provider is configured", "Enable one in Desk: AI Provider → New.")
	first, model = loaded.first_for(loaded.modes["chat"])
	off = "" if loaded.realtime.enabled else "; realtime.enabled is off: answers come whole, without events"
	return f"{counted(len(loaded.providers), 'provider')}; {first and first.name} is asked first, for {model}{off}"


def providers(load: Callable[[], settings.Settings] = settings.load) -> Iterable[Check]:
	"""A check for each provider, and a failing one for each part of the configuration that is set aside."""
	loaded = load()
	return [
		*(Check(name, partial(_set_aside, reason)) for name, reason in loaded.set_aside),
		*(
			Check(f"provider {one.name}", partial(provider, one), deadline_s=PROVIDER_DEADLINE_S)
			for one in loaded.providers
		),
	]


def _set_aside(reason: str) -> NoReturn:
	raise CheckFailed(f"not used: {reason}", CORRECT)


def resting() -> Iterable[Check]:
	"""Makes a failing check for each provider or key of this site that rests, from the state that its processes share."""
	return [
		Check(f"key {label} of {name}" if label else f"rest of {name}", partial(_rests, name, rest))
		for (name, label), rest in provider_health.state_of(settings.load().providers).items()
		if rest
	]


def _rests(name: str, rest: Rest) -> NoReturn:
	if rest.kind in REFUSED:
		reason, remedy = "is refused", f"Enter another key: AI Provider {name}."
	else:
		reason, remedy = "has failed", "Wait, and look again."
	seconds = max(1, round(rest.until - time.time()))
	raise CheckFailed(f"it {reason} ({rest.kind}) and rests for {counted(seconds, 'second')} more", remedy)


def asked() -> Iterable[Check]:
	"""Makes a check for each key that was asked in the last day, which prints its figures."""
	return [
		Check(f"use of key {label} of {name}" if label else f"use of {name}", partial(_use, figures))
		for (name, label), figures in provider_figures.of_site().items()
		if figures.asked
	]


def _use(figures: provider_figures.KeyFigures) -> str:
	failures = ", ".join(f"{count} {code}" for code, count in figures.failed.most_common())
	parts = [
		f"asked {counted(figures.asked, 'time')} in the last day",
		f"failed {counted(figures.failed.total(), 'time')}" + (f" ({failures})" if failures else ""),
	]
	if figures.cached_percent is not None:
		parts.append(f"{figures.cached_percent:.0f} % of the prompts from the cache")
	if (middle := figures.percentile_ms(50)) is not None:
		parts.append(f"first chunk after {middle} ms (p50) and {figures.percentile_ms(95)} ms (p95)")
	return ", ".join(parts)


def provider(provider: Provider) -> str:
	"""Check that a provider accepts its key and answers."""
	# Loading takes seconds, which are not the provider's.
	preload([provider])
	try:
		first_ms = first_chunk_ms(provider)
	except ProviderError as error:
		raise CheckFailed(provider_failure(error, True)["message"], remedy(error, provider))
	if first_ms is None:
		raise CheckFailed(
			f"{provider.name} sent an empty answer", f"Try another model than {provider.default_model}."
		)
	return f"{provider.default_model} answered; its first chunk came after {first_ms} ms"


def remedy(error: ProviderError, provider: Provider) -> str:
	"""What an administrator can do about a provider's failure."""
	code = error.code
	if error.kind == "out_of_credit":
		return f"Add credit to its account, or raise its spending limit: AI Provider {provider.name}."
	if error.kind == "country":
		return "Disable it, or reach it through an address in a country that it serves."
	if code == "provider_auth":
		return f"Enter its API key anew: AI Provider {provider.name}."
	if code in ("provider_unavailable", "timeout"):
		base = "its default"
		if provider.api_base:
			parts = urlsplit(provider.api_base)
			base = f"{parts.scheme}://{host_of(provider.api_base)}{parts.path}"
		return f"Check its API Base ({base}), and whether it can be reached from here."
	if code in ("rate_limited", "budget_exceeded"):
		return "Wait, or raise the limit at the provider."
	return f"Check its model ({provider.default_model}) and extra parameters: AI Provider {provider.name}, Test connection."
