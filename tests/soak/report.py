"""The table of a soak, and its place in docs/reliability.md."""

import os
import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from tests.contract.test_faults import FAULTS

from .agent import Agent
from .providers import Providers

DOCUMENT = Path(__file__).resolve().parent.parent.parent / "docs" / "reliability.md"
CACHED_PERCENT, OVERHEAD_MS, GROWTH = 85, 20, 1.05


@dataclass(frozen=True)
class Row:
	"""A line of the table: what was counted, its target, and whether that is reached."""

	name: str
	target: str
	value: str
	is_met: bool


def rows(
	agent: Agent, providers: Providers, faults: Sequence[str], memory: dict[str, list[float]]
) -> list[Row]:
	"""Compares what an agent has seen with the targets."""
	ends = ", ".join(f"{count} `{end}`" for end, count in sorted(agent.ends.items()))
	other = {count: n for count, n in agent.completions.items() if count != 1}
	frappe_ms = statistics.median(agent.frappe_ms)
	table = [
		Row("rounds, each with two calls", "–", str(agent.rounds), True),
		Row("requests, by how they ended", "–", f"{agent.requests}: {ends}", True),
		Row("requests to `flaky`", "–", _faults(providers), True),
		Row("faults in the middle of an answer", "–", ", ".join(faults), True),
		Row("calls lost", "0", str(agent.lost), agent.lost == 0),
		Row("calls doubled", "0", str(agent.doubled), agent.doubled == 0),
		Row("characters lost that a client had seen", "0", str(agent.lost_chars), agent.lost_chars == 0),
		Row("requests without exactly one completion", "0", str(sum(other.values())), not other),
		Row("violations of the rules of the event stream", "0", str(len(agent.wrong)), not agent.wrong),
		_at_least("cached share of the prompts", agent.cached_percent, CACHED_PERCENT, "%"),
		_at_most(
			f"own overhead of a round, p50 of {len(agent.overhead_ms)}",
			agent.overhead_p50_ms - frappe_ms - agent.body_ms,
			OVERHEAD_MS,
			"ms",
		),
		Row(
			"`get_logged_user` with the same token, p50 (subtracted in the row above)",
			"–",
			f"{frappe_ms:.1f} ms",
			True,
		),
		Row(
			"additional time of `get_logged_user` with the body of a round from the middle of a task (subtracted, too)",
			"–",
			f"{agent.body_ms:.1f} ms",
			True,
		),
	]
	cpu_ms = statistics.median(agent.cpu_ms)
	table.append(Row("CPU time of the web process for a round, p50", "–", f"{cpu_ms:.0f} ms", True))
	for name, values in memory.items():
		quarter = max(1, len(values) // 4)
		before, after = statistics.median(values[:quarter]), statistics.median(values[-quarter:])
		value = f"{before:.0f} to {after:.0f} MB"
		table.append(Row(f"memory of {name}", "≤ 5 % more", value, after <= before * GROWTH))
	return table


def table(rows: Sequence[Row]) -> list[str]:
	lines = ["| | target | seen | |", "| --- | --- | --- | --- |"]
	for row in rows:
		met = "" if row.target == "–" else "reached" if row.is_met else "missed"
		lines.append(f"| {row.name} | {row.target} | {row.value} | {met} |")
	return lines


def write(place: str, version: str, rows: Sequence[Row]) -> None:
	"""Writes the table between the markers of its place in docs/reliability.md.

	Args:
		place: `bench` or `standalone`.
		version: what the site runs on.
		rows: the lines of the table.
	"""
	begin, end = f"<!-- soak {place} -->", f"<!-- end of soak {place} -->"
	measured = (
		f"On {date.today():%Y-%m-%d}, {version}, {os.cpu_count()} processors, load {os.getloadavg()[2]:.1f}:"
	)
	text = "\n".join([begin, measured, "", *table(rows), end])
	document = DOCUMENT.read_text()
	assert begin in document, f"{DOCUMENT} has no {begin}"
	DOCUMENT.write_text(re.sub(f"{begin}.*?{end}", lambda _match: text, document, flags=re.DOTALL))


def _faults(providers: Providers) -> str:
	count, kinds = providers.faults.total(), len(providers.faults)
	return f"{providers.asked['flaky']} requests, {count} faults, {kinds} of {len(FAULTS)} kinds"


def _at_least(name: str, value: float, target: float, unit: str) -> Row:
	return Row(name, f"≥ {target} {unit}", f"{value:.1f} {unit}", value >= target)


def _at_most(name: str, value: float, target: float, unit: str) -> Row:
	return Row(name, f"≤ {target} {unit}", f"{value:.1f} {unit}", value <= target)
