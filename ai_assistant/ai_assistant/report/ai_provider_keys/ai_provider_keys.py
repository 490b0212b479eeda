"""The report AI Provider Keys: how each provider and key has answered lately, and what rests."""

from typing import Any

from frappe import _
from frappe.utils import cint

from ai_assistant.ai_assistant.desk import column
from ai_assistant.chat.budgets import local
from ai_assistant.operations import provider_figures

HOURS, MAX_HOURS = 24, 24 * 90


def execute(filters: dict[str, Any] | None = None) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
	"""Returns the columns and the rows, one for each key of each configured provider.

	Args:
		filters: `hours`, over how many hours requests are counted.
	"""
	hours = min(max(1, cint((filters or {}).get("hours")) or HOURS), MAX_HOURS)
	figures = provider_figures.of_site(hours * 3600)
	return _columns(), [_row(name, label, of_key) for (name, label), of_key in figures.items()]


def _row(name: str, label: str, figures: provider_figures.KeyFigures) -> dict[str, Any]:
	percent, rest = figures.cached_percent, figures.rest
	return {
		"provider": name,
		"key": label or "–",
		"asked": figures.asked,
		"failed": figures.failed.total(),
		"failures": ", ".join(f"{code}: {count}" for code, count in figures.failed.most_common()) or "–",
		"resting_until": local(rest.until).replace(tzinfo=None) if rest else None,
		"reason": rest.kind if rest else "–",
		# As text: Desk shows an empty number as 0.
		"cached": "–" if percent is None else f"{percent:.0f} %",
		"p50": _milliseconds(figures.percentile_ms(50)),
		"p95": _milliseconds(figures.percentile_ms(95)),
	}


def _milliseconds(value: int | None) -> str:
	return "–" if value is None else _("{0} ms").format(value)


def _columns() -> list[dict[str, Any]]:
	return [
		column("provider", _("Provider"), "Data", 130),
		column("key", _("Key"), "Data", 90),
		column("asked", _("Asked"), "Int", 80),
		column("failed", _("Failed"), "Int", 80),
		column("failures", _("Failures by Kind"), "Data", 210),
		column("resting_until", _("Resting Until"), "Datetime", 170),
		column("reason", _("Reason"), "Data", 115),
		column("cached", _("Cached"), "Data", 80, align="right"),
		column("p50", _("First Chunk p50"), "Data", 130, align="right"),
		column("p95", _("First Chunk p95"), "Data", 130, align="right"),
	]
