"""Writes the figures of `compare` to docs/performance.md, and draws its plot."""

import json
import os
import platform
import re
import textwrap
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

from . import earlier, peers
from .compare import LENGTHS, PACED, RUNS

DOCS = Path("docs")
KEPT = DOCS / "performance.json"
UNMEASURED = "This run did not measure other gateways. `python -m tests.bench.peers` measures them."
README = Path("README.md")
# Between these lines README has the table of `overview`.
OVERVIEW = ("<!-- make bench writes this table -->", "<!-- end of the table -->")
# What `make bench` does not measure: other measurements, and what each step gained.
STEPS = (Path(__file__).parent / "steps.md").read_text()
COLOURS = ("#1f77b4", "#2ca02c", "#ff7f0e", "#d62728", "#9467bd", "#8c564b", "#7f7f7f", "#17becf", "#bcbd22")
WIDTH, HEIGHT, MARGIN = 640, 360, 60
COLUMNS = 110


def number(value: float | None) -> str:
	if value is None:
		return "–"
	return "–" if value == float("inf") else f"{value:.1f}" if value < 10 else f"{value:,.0f}"


def table(heads: list[str], rows: list[list[str]]) -> str:
	lines = [heads, ["---"] * len(heads), *rows]
	return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def wrapped(page: str) -> str:
	"""Breaks the lines of a page's paragraphs and lists at COLUMNS."""
	return "\n\n".join(
		block if block.startswith(("#", "|", "!")) else _wrapped(block) for block in page.split("\n\n")
	)


def _wrapped(block: str) -> str:
	items = re.split(r"\n(?=- )", block.strip("\n"))
	return "\n".join(
		textwrap.fill(
			" ".join(item.split()),
			COLUMNS,
			subsequent_indent="  " if item.startswith("- ") else "",
			break_long_words=False,
			break_on_hyphens=False,
		)
		for item in items
	)


def goals(figures: dict[str, Any]) -> list[list[str]]:
	"""Returns the rows of the table of targets: each is a ratio or a bound within this run."""
	direct, litellm, proxy = figures["direct"], figures["litellm"], figures.get("LiteLLM's proxy")
	added = {
		share: direct["first_ms"][share] - figures["the wire"]["first_ms"][share] for share in ("p50", "p99")
	}
	most = {
		name: max([int(n) for n, at in figures[name]["at_once"].items() if at["p99_ms"] <= 250], default=0)
		for name in ("direct", "naive")
	}
	hundred = direct["at_once"].get("100", {})
	rows = [
		(
			"CPU for each chunk of an answer of 3,000 chunks, unpaced, against a litellm loop",
			direct["cpu"]["3000"] / litellm["cpu"]["3000"],
			0.15,
		),
		(
			"CPU for each chunk at 50 a second, against a litellm loop",
			direct["cpu"]["paced"] / litellm["cpu"]["paced"],
			0.3,
		),
		("added to the first chunk, p50, ms", added["p50"], 5),
		("added to the first chunk, p99, ms", added["p99"], 25),
		("first chat of a server that has just started, to its first chunk, ms", direct["cold_ms"], 300),
		("100 chats at once: p99 to the client, ms", hundred.get("p99_ms", float("inf")), 250),
		("100 chats at once: memory for each chat, MB", hundred.get("mb_a_chat", float("inf")), 1.5),
		(
			"CPU for each chunk of an answer of 100,000 chunks, against one of 1,000",
			direct["cpu"]["100000"] / direct["cpu"]["1000"],
			1.1,
		),
	]
	shown = [
		[name, f"{value:.2f}", f"≤ {goal:g}", "yes" if value <= goal else "no"] for name, value, goal in rows
	]
	if proxy:
		theirs = proxy["first_ms"]["p50"] - figures["the wire"]["first_ms"]["p50"]
		ratio = added["p50"] / theirs
		shown.append(
			[
				"added to the first chunk, against LiteLLM's proxy",
				f"{ratio:.2f}",
				"≤ 0.5",
				"yes" if ratio <= 0.5 else "no",
			]
		)
	reached = "yes" if most["direct"] >= max(100, 5 * most["naive"]) else "no"
	shown.append(
		[
			"chats at once with a p99 of at most 250 ms; in brackets: naive",
			f"{most['direct']} ({most['naive']})",
			"≥ 100, and ≥ 5 times naive",
			reached,
		]
	)
	if added_by_version := figures.get("earlier"):
		shown.append(earlier.goal(added_by_version))
	return [*shown, *peers.goals(figures.get("gateways", {}))]


def against_gateways(figures: dict[str, Any]) -> str:
	"""Returns the section about other gateways."""
	*most, last = map(str, peers.LEVELS)
	levels = f"{', '.join(most)} and {last}"
	return f"""The client asks each gateway over Server-Sent Events, in the API of the second column. All gateways ask the same
provider, in the same API. A bare aiohttp loop,
which only forwards bytes, shows the best that a gateway in Python can reach. *The wire* is a client that reads the provider directly. The rows of the wire show its time to the first chunk. The rows of the gateways show the time beyond it. The p99 is the difference of two percentiles, so it can be below 0.
*Chats at once* is the largest of the numbers {levels} at which the first chunk is at most {peers.LATE_MS} ms late (p99).
Bifrost is not measured, because its npm package does not contain the program but downloads it.

{table(peers.HEADS, peers.rows(figures))}"""


def plot(figures: dict[str, Any]) -> str:
	"""Draws CPU for each chunk over the length of the answer, both on logarithmic axes."""
	lines = {name: one["cpu"] for name, one in figures.items() if isinstance(one, dict) and "cpu" in one}

	def x(length: int) -> float:
		return MARGIN + (len(str(length)) - 3) * (WIDTH - 2 * MARGIN - 90) / 3

	def y(value: float) -> float:
		from math import log10

		return HEIGHT - MARGIN - (log10(max(value, 1))) * (HEIGHT - 2 * MARGIN) / 4

	parts = [
		f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="11">',
		f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
		f'<text x="{MARGIN}" y="24" font-size="13">CPU for each chunk, µs, by the length of the answer in chunks</text>',
	]
	for value in (1, 10, 100, 1000, 10_000):
		parts.append(
			f'<line x1="{MARGIN}" x2="{WIDTH - MARGIN - 90}" y1="{y(value):.0f}" y2="{y(value):.0f}" stroke="#ddd"/>'
			f'<text x="{MARGIN - 6}" y="{y(value) + 4:.0f}" text-anchor="end">{value:,}</text>'
		)
	for length in LENGTHS:
		parts.append(f'<text x="{x(length):.0f}" y="{HEIGHT - 36}" text-anchor="middle">{length:,}</text>')
	for colour, (name, cpu) in zip(COLOURS, lines.items(), strict=False):
		points = [(x(n), y(cpu[str(n)])) for n in LENGTHS if str(n) in cpu]
		joined = " ".join(f"{a:.0f},{b:.0f}" for a, b in points)
		parts.append(
			f'<polyline points="{joined}" fill="none" stroke="{colour}" stroke-width="2"/>'
			f'<text x="{points[-1][0] + 6:.0f}" y="{points[-1][1] + 4:.0f}" fill="{colour}">{name}</text>'
		)
	return "\n".join([*parts, "</svg>"]) + "\n"


def overview(results: dict[str, Any], figures: list[dict[str, Any]]) -> str:
	"""Returns the table of README: a column for the standalone site and one for each Frappe bench."""
	proxy, missing = results.get("LiteLLM's proxy", {}), float("inf")
	columns = {
		"standalone site": results["direct"],
		**{
			f"{name.removeprefix('direct, on ')}, gunicorn 1 × 32": one
			for name, one in results.items()
			if name.startswith("direct, on ")
		},
	}
	of_site = {figure["name"]: figure["value"] for figure in figures}

	def times(one: dict[str, Any], kind: str) -> str:
		return " / ".join(number(one.get(kind, {}).get(share)) for share in ("p50", "p99")) + " ms"

	def late(one: dict[str, Any], chats: str) -> str:
		return number(one.get("at_once", {}).get(chats, {}).get("p99_ms", missing)) + " ms"

	empty = ["–"] * (len(columns) - 1)
	counts = " / ".join(f"{of_site[f'events of an answer of {seconds} s']:.0f}" for seconds in (1, 4, 12))
	wait_s = of_site["longest wait of a character, provider's write to client"] / 1000
	rows = [
		["POST to event 1, p50 / p99", *(times(one, "event_1_ms") for one in columns.values())],
		[
			f"POST to the first chunk, p50 / p99 (LiteLLM's proxy: {times(proxy, 'first_ms')})",
			*(times(one, "first_ms") for one in columns.values()),
		],
		[
			"CPU for each chunk, if the provider sends as fast as it can (a loop that only reads litellm's stream:"
			f" {number(results['litellm']['cpu']['1000'])} µs)",
			*(f"{number(one['cpu']['1000'])} µs" for one in columns.values()),
		],
		[
			"50 chats at once, each at 50 tokens a second: time from the provider's write of the first chunk to the client's"
			f" receipt, p99 (LiteLLM's proxy: {late(proxy, '50')})",
			*(late(one, "50") for one in columns.values()),
		],
		[
			"the same with 100 chats",
			*(late(one, "100") for one in columns.values()),
		],
		["number of events in an answer of 1 / 4 / 12 s at 50 tokens a second", counts, *empty],
		[
			"longest time between the provider's write of a character and the client's receipt",
			f"{wait_s:.2f} s",
			*empty,
		],
	]
	return table(["", *columns], rows)


def write_overview(results: dict[str, Any], figures: list[dict[str, Any]]) -> None:
	"""Writes the table of README, unless no Frappe bench was measured: its columns would go."""
	if any(name.startswith("direct, on ") for name in results):
		begin, end = OVERVIEW
		before, _begin, rest = README.read_text().partition(begin)
		after = rest.partition(end)[2]
		README.write_text(f"{before}{begin}\n{overview(results, figures)}\n{end}{after}")


def bound(figure: dict[str, Any]) -> list[str]:
	"""Returns the target of a figure of the site alone, and whether it is reached."""
	if figure["target"] is None:
		return ["", ""]
	least = "≤" if figure["at_least"] is None else f"{figure['at_least']:g} to"
	return [f"{least} {figure['target']:g}", "yes" if figure["reached"] else "no"]


def write(results: dict[str, Any], figures: list[dict[str, Any]]) -> None:
	"""Writes the page, its JSON and its plot.

	Args:
		results: the result of `compare.measure`.
		figures: the figures of the site alone.
	"""
	contenders = {name: one for name, one in results.items() if isinstance(one, dict)}
	cpu = [
		[name, *(number(one["cpu"].get(str(n))) for n in (*LENGTHS, "paced"))]
		for name, one in contenders.items()
		if "cpu" in one
	]
	first = [
		[
			name,
			*(number(one.get("event_1_ms", {}).get(share)) for share in ("p50", "p99")),
			*(number(one["first_ms"][share]) for share in ("p50", "p99")),
			number(one.get("cold_ms")),
		]
		for name, one in contenders.items()
		if "first_ms" in one
	]
	many = [
		[name, chats, *(number(at[key]) for key in ("p50_ms", "p99_ms", "mb_a_chat", "cores", "failed"))]
		for name, one in contenders.items()
		for chats, at in one.get("at_once", {}).items()
	]
	alone = [
		[
			figure["name"],
			f"{figure['value']:.4g} {figure['unit']}",
			*bound(figure),
		]
		for figure in figures
	]
	text = f"""# Performance

Written by `make bench` on {date.today()}, in {results.get("took_s", 0) / 60:.0f} minutes: {os.cpu_count()} cores ({platform.machine()}; load
{os.getloadavg()[2]:.1f} in the last 15 minutes), Python {platform.python_version()}, litellm {version("litellm")}, aiohttp {version("aiohttp")}, httpx
{version("httpx")}. All contenders asked the same scripted provider and took turns. A figure is the
median of {RUNS} turns. For the first chunk, a turn asks 20 times. Three figures have fewer turns: answers of 100,000
chunks (3), many chats at once (3), and answers of 10,000 chunks of each contender that uses litellm (1). The provider, the client and other processes of
the machine share the cores with what is measured, so the ratios are more reliable than the milliseconds.

The tables compare these contenders (`tests/bench/compare.py`); `performance.json` has all figures of the comparison:

- *direct* is the standalone site with its own adapter. *direct, on Frappe 16.17.0* (or another version) is the same
  adapter on a bench of that version.
- *by litellm* is the standalone site when it asks the same provider through litellm.
- *naive* is *by litellm*, but stores and publishes each chunk as an event of its own.
- *litellm* is a loop over litellm's stream, and *litellm, no logging* is the same loop without litellm's logging. *LiteLLM's proxy* is the server that is part of litellm.
  It is measured twice: in this comparison, and over Server-Sent Events in *Against other gateways*.
- *httpx* and *aiohttp* are loops that read the provider's bytes and parse the JSON. *The wire* only reads the bytes.

## Targets

A row with *against* and one figure is a ratio. If a row has two figures, the first is this site's. *Unpaced* is at full speed.
*Over SSE* is the standard API Chat Completions. *Added to the first chunk* is the time to the first chunk
beyond that of *the wire*. Its p99 is the difference of two percentiles, so it can be smaller than its p50.

{earlier.EXPLANATION}

{table(["what", "measured", "target", "reached"], goals(results))}

## CPU for each chunk, µs

The table shows the CPU time for each chunk of answers of 100 to 100,000 chunks at full speed. The last column is an answer of
{PACED} chunks at 50 a second. The figure of a site covers the whole path, up to the published event and the stored answer.

{table(["", *(f"{n:,}" for n in LENGTHS), "at 50 a second"], cpu)}

![CPU for each chunk by the length of the answer](images/performance.svg)

## From the question to event 1 and to the first chunk, ms

{table(["", "event 1, p50", "p99", "first chunk, p50", "p99", "first chat of the server"], first)}

## Many at once

Chats of 4 s at 50 chunks a second, started within one second. The table shows the time from the provider's write of the first
chunk to the client's receipt, the growth of the process's memory for each chat, and the cores used. The gunicorn of a bench has 32
threads. The other chats wait until a thread is free; the figures do not include this wait.

{table(["", "chats", "p50, ms", "p99, ms", "MB for each chat", "cores", "failed"], many)}

## Against other gateways

{against_gateways(results["gateways"]) if results.get("gateways") else UNMEASURED}

## The site alone

These figures are from another standalone site. The app's own Python client measures them, and it takes longer than the
client of the comparison. *Paced* is 50 chunks a second. A *phase* is the reasoning or the text. An *adaptive model* is a model of Anthropic's that decides
by itself how long it thinks. *Read from the cache* is the share of the sent tokens that the provider
had in its cache.

{table(["what", "measured", "target", "reached"], alone)}

{STEPS}"""
	(DOCS / "performance.md").write_text(wrapped(text) + "\n")
	write_overview(results, figures)
	KEPT.write_text(json.dumps(results, indent=1) + "\n")
	(DOCS / "images" / "performance.svg").write_text(plot(results))
