"""Reads the forms of a bench: AI Assistant Settings, AI Provider and their tables.

They are read from the tables, without Frappe's caches of documents, whenever their checksum has changed. A process keeps the
checksum for VERSION_S seconds: so a change takes effect in every process at once for a person, and a chat costs one
statement at most instead of nine and more. Documents would cost ten times as much as the tables.
"""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from typing import Any

import frappe

from ai_assistant.store.mariadb import checksums, sql

from .sections import Alerts, Budgets, Failover, Limits, Realtime, SiteTimeouts

SETTINGS, PROVIDER, KEY = "AI Assistant Settings", "AI Provider", "AI Provider Key"
WEBHOOK = "AI Webhook"
MCP_SERVER = "AI MCP Server"

# The columns of AI Provider Model, and their names in a configuration's `prices`.
PRICES = {
	"input_price": "input",
	"output_price": "output",
	"cache_read_price": "cache_read",
	"cache_write_price": "cache_write",
	"cache_write_1h_price": "cache_write_1h",
}


# The columns of AI Provider Model that are its `details`, and the values of a Select in JSON.
DETAILS = ("context_window", "max_output_tokens", "vision", "documents", "tools")
ANSWERS = {"Yes": True, "No": False}


UNREADABLE = object()
"""Stands for a key that cannot be decrypted."""

_has_forms = True

# The tables that `read` reads, and the conditions for those that have other rows, too.
TABLES = (
	*(f"tab{doctype}" for doctype in (PROVIDER, KEY, WEBHOOK, MCP_SERVER)),
	"tabAI Provider Model",
	"tabAI Provider Role",
	"tabAI Model Alias",
	"tabAI Mode",
	"tabAI Mode Tool",
	"tabSingles",
	"__Auth",
)
WHERE = {
	"tabSingles": f"doctype = '{SETTINGS}'",
	"__Auth": f"doctype IN ('{PROVIDER}', '{KEY}', '{WEBHOOK}', '{MCP_SERVER}')",
}

# The statement that returns the checksums of the tables, by site. A migration that changes columns restarts the processes.
_statements: dict[str, str] = {}
# The statement takes 0.5 to 1 ms.
VERSION_S = 0.25
# By site, the checksums that were read last, and until when they count, by `time.monotonic()`.
_checksums: dict[str, tuple[float, Any]] = {}


def switch_off() -> None:
	"""Makes `read` return nothing. The standalone site calls it, because it has no forms."""
	global _has_forms
	_has_forms = False


def exist() -> bool:
	"""Whether this site has forms, in which users make AI Keys."""
	return _has_forms


def version() -> tuple[Any, ...]:
	"""Returns what differs after each change of the forms, of a key in them, or of the site's encryption key.

	A change that another transaction commits shows after VERSION_S seconds at most, a saved document of this process at once.
	"""
	if not _has_forms:
		return ()
	site, now = frappe.local.site, time.monotonic()
	until, read = _checksums.get(site, (0.0, None))
	if now >= until:
		if site not in _statements:
			_statements[site] = checksums(TABLES, WHERE)
		read = sql(_statements[site])
		# Other threads must not use what this transaction may roll back.
		if not frappe.db.transaction_writes:
			_checksums[site] = (now + VERSION_S, read)
	return (read, frappe.conf.get("encryption_key"))


def changed(_doc: Any = None, _event: str | None = None) -> None:
	"""Makes this process read the checksums again. Frappe calls it when a document of the forms has changed."""
	_forget_checksums()
	# Until the commit another thread may keep the checksums of before.
	frappe.db.after_commit.add(_forget_checksums)


def _forget_checksums() -> None:
	_checksums.pop(frappe.local.site, None)


def read() -> dict[str, Any]:
	"""Reads the settings and the enabled providers.

	Returns:
		The sections of the configuration, in the shape that `ai_assistant` of site_config.json has. What is empty or 0
		is left out, so that the default applies.
	"""
	if not _has_forms:
		return {}
	single = frappe.db.get_singles_dict(SETTINGS, cast=True)

	def numbers(section: Any) -> dict[str, Any]:
		names = [field.name for field in fields(section)]
		return {name: single[name] for name in names if single.get(name)}

	return {
		"default_provider": single.get("default_provider") or None,
		"providers": _providers("enabled = 1"),
		"aliases": _aliases(),
		"mcp_servers": _mcp_servers(),
		"modes": _modes(),
		"limits": numbers(Limits),
		"budgets": numbers(Budgets),
		"timeouts": numbers(SiteTimeouts),
		"failover": numbers(Failover),
		"realtime": {**numbers(Realtime), "enabled": bool(single.get("realtime_enabled", 1))},
		"retention": {
			"keep_content": bool(single.get("keep_content", 1)),
			"keep_questions": bool(single.get("keep_questions")),
		},
		"webhooks": _webhooks(),
		"alerts": {**numbers(Alerts), "email": bool(single.get("alert_by_email"))},
	}


def provider(name: str) -> dict[str, Any]:
	"""Reads one AI Provider, enabled or not, as an element of `providers`."""
	return _providers("name = %s", name)[0]


def _providers(where: str, *values: str) -> list[dict[str, Any]]:
	rows = _rows(
		"SELECT name, api, api_base, default_model, priority, weight, extra, prompt_cache,"
		f" EXISTS (SELECT 1 FROM `tab{KEY}` AS k WHERE k.parent = p.name AND k.enabled = 1) AS has_keys"
		f" FROM `tab{PROVIDER}` AS p WHERE {where} ORDER BY priority, name",
		*values,
	)
	models: dict[str, list[str]] = {}
	prices: dict[str, dict[str, dict[str, Any]]] = {}
	details: dict[str, dict[str, dict[str, Any]]] = {}
	columns = ", ".join((*PRICES, *DETAILS))
	for row in _rows(
		f"SELECT parent, model, {columns}, price_tiers FROM `tabAI Provider Model` ORDER BY idx"
	):
		models.setdefault(row.parent, []).append(row.model)
		if figures := {name: ANSWERS.get(row[name], row[name]) for name in DETAILS if row[name]}:
			details.setdefault(row.parent, {})[row.model] = figures
		if row.input_price and row.output_price:
			price = {name: _parsed(float, row[column]) for column, name in PRICES.items() if row[column]}
			if row.price_tiers:
				price["tiers"] = _parsed(json.loads, row.price_tiers)
			prices.setdefault(row.parent, {})[row.model] = price
	roles: dict[str, list[str]] = {}
	model_roles: dict[str, dict[str, list[str]]] = {}
	for parent, role, model in sql("SELECT parent, role, model FROM `tabAI Provider Role` ORDER BY idx"):
		if model:
			model_roles.setdefault(parent, {}).setdefault(model, []).append(role)
		else:
			roles.setdefault(parent, []).append(role)
	return [
		{
			"name": row.name,
			"api": row.api,
			"api_base": row.api_base or None,
			"prompt_cache": row.prompt_cache or "5m",
			"api_key": _key(PROVIDER, row.name),
			**({"keys": _keys(row.name)} if row.has_keys else {}),
			**({"weight": row.weight} if row.weight else {}),
			"models": models.get(row.name) or [row.default_model],
			"roles": roles.get(row.name, []),
			"model_roles": model_roles.get(row.name, {}),
			"default_model": row.default_model,
			"priority": row.priority,
			"extra": _parsed(json.loads, row.extra or "{}"),
			"prices": prices.get(row.name, {}),
			"details": details.get(row.name, {}),
		}
		for row in rows
	]


def _rows(statement: str, *values: str) -> list[Any]:
	rows: list[Any] = sql(statement, values, as_dict=True)
	return rows


def know_encryption_key() -> None:
	"""Makes this process use the encryption key of site_config.json, and creates one if there is none.

	Frappe 16 caches that file for a minute in each process, and replaces a key that it does not see there
	(frappe/utils/password.py, `get_encryption_key`). What was encrypted with the old key could never be read again.
	"""
	from frappe.utils.password import get_encryption_key

	if "encryption_key" in frappe.conf:
		return
	if key := frappe.get_site_config().get("encryption_key"):
		frappe.conf.encryption_key = key
	else:
		get_encryption_key()


@contextmanager
def decrypting() -> Iterator[None]:
	"""Lets Frappe decrypt with the right key. It adds a message if it fails, which the client does not see."""
	know_encryption_key()
	before = len(frappe.local.message_log)
	try:
		yield
	finally:
		del frappe.local.message_log[before:]


def delete_passwords_of_removed_rows(doc: Any, table: str) -> None:
	"""Deletes the passwords of the rows that a document no longer has in a table. Frappe keeps them."""
	from frappe.utils.password import delete_all_passwords_for

	before = doc.get_doc_before_save()
	row_names = {row.name for row in doc.get(table)}
	for row in before.get(table) if before else ():
		if row.name not in row_names:
			delete_all_passwords_for(row.doctype, row.name)


def _parsed(parse: Callable[[str], Any], value: str) -> Any:
	"""Parses a column. A malformed value is returned unchanged, and the validation of the settings then names it."""
	try:
		return parse(value)
	except ValueError:
		return value


def _keys(provider: str) -> list[dict[str, Any]]:
	"""Returns the enabled rows of the table Keys of a provider."""
	rows = _rows(
		f"SELECT name, label, weight FROM `tab{KEY}` WHERE parent = %s AND enabled = 1 ORDER BY idx", provider
	)
	return [{"label": row.label, "api_key": _key(KEY, row.name), "weight": row.weight or 1} for row in rows]


def _webhooks() -> list[dict[str, Any]]:
	rows = _rows(
		f"SELECT name, url FROM `tab{WEBHOOK}` WHERE parent = %s AND enabled = 1 ORDER BY idx", SETTINGS
	)
	return [{"url": row.url, "secret": _key(WEBHOOK, row.name, "secret")} for row in rows]


def _key(doctype: str, name: str, field: str = "api_key") -> Any:
	"""Returns the key, None if there is none, UNREADABLE if it was encrypted with another encryption key."""
	from frappe.utils.password import get_decrypted_password

	try:
		with decrypting():
			return get_decrypted_password(doctype, name, field)
	except (frappe.ValidationError, frappe.AuthenticationError):
		# Frappe raises one of them for a missing key, too. With raise_exception=False, 16 returns None for both.
		stored = sql(
			"SELECT 1 FROM `__Auth` WHERE doctype = %s AND name = %s AND fieldname = %s",
			(doctype, name, field),
		)
		return UNREADABLE if stored else None


def _aliases() -> list[dict[str, Any]]:
	rows = _rows("SELECT alias AS name, provider, model, mode FROM `tabAI Model Alias` ORDER BY alias")
	return [{field: value for field, value in row.items() if value} for row in rows]


def _mcp_servers() -> list[dict[str, Any]]:
	rows = _rows(f"SELECT name, url, ask_first FROM `tab{MCP_SERVER}` WHERE enabled = 1 ORDER BY name")
	return [
		{**row, "token": _key(MCP_SERVER, row.name, "token"), "ask_first": bool(row.ask_first)}
		for row in rows
	]


def _modes() -> list[dict[str, Any]]:
	tools: dict[str, list[str]] = {}
	for mode, tool in sql(
		"SELECT mode, tool FROM `tabAI Mode Tool` WHERE parenttype = %s ORDER BY idx", (SETTINGS,)
	):
		tools.setdefault(mode, []).append(tool)
	rows = _rows(
		"SELECT mode AS name, system_prompt, provider, model, temperature, reasoning_effort, trim, compact FROM `tabAI Mode`"
		" WHERE parenttype = %s AND parentfield = 'modes' ORDER BY idx",
		SETTINGS,
	)
	for row in rows:
		row.compact = bool(row.compact)
		row.temperature = _parsed(float, row.temperature) if row.temperature else None
		row.tools = tuple(tools.get(row.name, ()))
	return [{field: None if value == "" else value for field, value in row.items()} for row in rows]
