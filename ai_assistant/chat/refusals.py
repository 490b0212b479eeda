"""Records each call of the API that the site refuses: in the log, and in a counter for the metrics.

A refused request has no row. So the counter is where the health of providers is: in Redis, or in this process.
"""

from collections.abc import Iterable
from contextlib import suppress

import frappe

from ai_assistant import keys
from ai_assistant.log import escaped, fields, logger

from . import provider_health

# The state has no number without an end. When this one ends, Prometheus sees that the counter begins again.
KEEP_S = 400 * 86_400.0


def record(code: str, method: str, key: str | None = None) -> None:
	"""Writes a line to the log, and counts the refusal. An error does not change the answer of the call.

	Args:
		code: the code of the error.
		method: the method of the API that was called. It may be text of a client.
		key: the store's name of the AI Key that was sent; None for the one that authenticates this request.
	"""
	with suppress(Exception):
		current = keys.current()
		key = key or (current.name if current else None)
		of_key = {"key": key} if key else {}
		caller = fields(code=code, user=frappe.session.user or "Guest", **of_key)
		logger().info(f"[API] {escaped(method)} refused {caller}")
		provider_health.state().add(_name(code), KEEP_S)


def counts(codes: Iterable[str]) -> dict[str, int] | None:
	"""Returns how often the site has refused a call, by the code of the error.

	While Redis does not answer, it returns None: the counts of this process are smaller than those of the site, and
	Prometheus would take the return to the larger ones for new refusals.
	"""
	names = {code: _name(code) for code in codes}
	state = provider_health.state()
	counted = state.get([*names.values()])
	if isinstance(state, provider_health.SharedState) and state.is_paused:
		return None
	return {code: int(counted.get(name, 0)) for code, name in names.items()}


def _name(code: str) -> str:
	return f"refused:{code}"
