"""Writes the figures of `compare` to docs/performance.md, and draws its plot."""

import json
import os
import platform
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

from . import peers
from .compare import LENGTHS, PACED, RUNS

DOCS = Path("docs")
KEPT = DOCS / "performance.json"
UNMEASURED = "This run did not measure other gateways. `python -m tests.bench.peers` measures them."
README = Path("README.md")
# Between these lines README has the table of `overview`.
OVERVIEW = ("<!-- make bench writes this table -->", "<!-- end of the table -->")
STEPS = """## Long conversations

`python -m tests.bench.long_conversation` measures the CPU from the decoded body of a request to the bytes for the
provider, for the conversation of an agent: half of the messages are calls, half are their results. The
figures are from the least disturbed of 15 runs, on two idle cores:

| messages | MB | check (ms) | keys of the calls (ms) | count the bytes, twice (ms) | send to OpenAI (ms) | send to Anthropic (ms) | all, to Anthropic (ms) | memory (MB) |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
| 250 | 0.5 | 2.9 | 0.3 | 1.1 | 1.9 | 2.4 | 6.7 | 1.4 |
| 500 | 1 | 4.9 | 0.6 | 2.3 | 4.3 | 4.4 | 12.2 | 2.7 |
| 1000 | 2 | 9.7 | 1.3 | 4.6 | 7.3 | 8.7 | 24.3 | 5.5 |
| 2000 | 4 | 20.6 | 2.6 | 9.3 | 14.9 | 17.8 | 50.3 | 10.9 |

Time and memory grow in proportion to the conversation. The memory is at most 2.7 times its size, and the decoded body
comes on top. The target for 1,000 messages and 2 MB is 25 ms. Of the 24.3 ms, 9 ms are for the fingerprint of the request,
which Python's JSON encoder writes; pydantic's encoder writes the body for the provider in 2.4 ms. The site does not read
the earlier requests of the task.

## An hour

`python -m tests.bench.growth` asks each gateway one question a second for an hour, in the three APIs by turns. Each answer has
20 chunks. The figures are the resident memory of its process in MB, after a first minute that is not counted. The machine also
ran tests.

| gateway | 0 min | 10 min | 20 min | 30 min | 40 min | 50 min | 60 min | answers | failures |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
| this site | 87.0 | 88.3 | 88.8 | 89.0 | 89.4 | 89.7 | 89.7 | 3,610 | 0 |
| bare aiohttp | 38.6 | 38.6 | 38.6 | 38.6 | 38.6 | 38.6 | 38.6 | 3,610 | 0 |
| Portkey | 91.8 | 100.7 | 101.8 | 102.3 | 102.8 | 103.0 | 103.6 | 3,610 | 0 |

LiteLLM's proxy was measured for 20 minutes, in another run: it grew from 394.7 to 408.5 MB.

## Steps that helped

Each step was measured before and after it was made, on two cores that also ran other work.

| step | before | after |
| --- | --- | --- |
| aiohttp instead of httpx: CPU a chunk at 50 a second, whole path | 650 µs | 445 µs |
| the same: from the question to the first chunk, p50 | 10.0 ms | 6.0 ms |
| the same: cores that 100 chats at 50 a second use | 0.73 | 0.52 |
| the site's threads schedule their own use of SQLite: p99 of the first chunk of 100 chats at once | 285 to 850 ms | 210 to 360 ms |
| five steps together, listed below: CPU of a short request of the standalone site | 7.5 ms | 5.6 ms |
| uvloop for the providers: CPU a chunk at 50 a second, whole path | 490 µs | 440 µs |
| uvloop and httptools for the site: from the question to the first chunk, p50 | 4.4 ms | 4.1 ms |
| all of these, and the garbage collector configured as in Frappe (before, it stopped all threads for up to 93 ms): p99 of the first chunk of 150 chats at once, at a load of 3 to 5 | 1,143 ms | 597 ms |
| a stream rests for up to 0.1 s, one wake-up a second instead of ten for an idle server, 14 SQL statements for a chat instead of 19: CPU a chunk at 50 a second, whole path | 264 and 284 µs | 214 and 232 µs |
| events of running chats go before new requests: p99 of the first chunk of 300 chats at once | 1,131 ms | 108 ms |
| the settings of a bench are read after a change only: for a chat on Frappe 15.101.1 | 2.2 ms | 0.6 ms |
| the usual line of a stream takes the shortest way to the JSON decoder: CPU a chunk of Responses, unpaced | 14.8 and 16.8 µs | 13.4 and 14.3 µs |
| the conversation is checked once for each question, not at each chunk (found by a line profile): CPU a chunk of an answer to 190 messages, unpaced | 47 µs | 15 to 19 µs |

The five steps that made a short request cheaper:

- The site has its own WSGI bridge. The event loop does not handle each part of a body or an answer.
- The JSON of an event has no indent, so that C code writes it (before: 10 % of a request's thread).
- Settings are parsed only after a change (7 %), and a log line is formatted once instead of three times.
- The proxy is read from the environment once, and not by two threads for each question.
- The server does not look for binary values in the data of an event (7 % of its loop).

The measuring client also mattered. With a thread for each chat and a python-socketio client it used more CPU than the site. One
loop that reads one socket uses 0.05 cores for 100 chats.

On this machine these steps made no measurable difference: httpx's raw stream instead of its decoded one, the OpenAI SDK's
raw events (its import alone takes 0.6 s and 59 MB), and a shorter switch interval of Python's threads.
"""
COLOURS = ("#1f77b4", "#2ca02c", "#ff7f0e", "#d62728", "#9467bd", "#8c564b", "#7f7f7f", "#17becf", "#bcbd22")
WIDTH, HEIGHT, MARGIN = 640, 360, 60


def number(value: float | None) -> str:
	if value is None:
		return "–"
	return "–" if value == float("inf") else f"{value:.1f}" if value < 10 else f"{value:,.0f}"


def table(heads: list[str], rows: list[list[str]]) -> str:
	lines = [heads, ["---"] * len(heads), *rows]
	return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def goals(figures: dict[str, Any]) -> list[list[str]]:
	"""Returns the rows of the table of targets: each is a ratio or a bound within this run."""
	direct, litellm, proxy = figures["direct"], figures["litellm"], figures.get("litellm's proxy")
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
			"CPU a chunk, unpaced, against a litellm loop",
			direct["cpu"]["3000"] / litellm["cpu"]["3000"],
			0.15,
		),
		(
			"CPU a chunk at 50 a second, against a litellm loop",
			direct["cpu"]["paced"] / litellm["cpu"]["paced"],
			0.3,
		),
		("added to the first chunk, p50, ms", added["p50"], 5),
		("added to the first chunk, p99, ms", added["p99"], 25),
		("first chat of a server that has just started, to its first chunk, ms", direct["cold_ms"], 300),
		("100 chats at once: p99 to the client, ms", hundred.get("p99_ms", float("inf")), 250),
		("100 chats at once: memory a chat, MB", hundred.get("mb_a_chat", float("inf")), 1.5),
		(
			"CPU a chunk of an answer of 100,000 chunks, against one of 1,000",
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
				"added to the first chunk, against litellm's proxy",
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
	return [*shown, *peers.goals(figures.get("gateways", {}))]


def against_gateways(figures: dict[str, Any]) -> str:
	"""Returns the section about other gateways."""
	levels = ", ".join(map(str, peers.LEVELS))
	return f"""The gateways stream from one provider over Server-Sent Events, in the API that they are asked in. A bare loop on aiohttp, which
only passes bytes on, is the limit of Python. The time to the first chunk is the time beyond that of reading the provider
directly. *Chats at once* is the most of {levels} at which the first chunk is at most {peers.LATE_MS} ms late (p99).
Bifrost is not measured: its npm package downloads the program.

{table(peers.HEADS, peers.rows(figures))}"""


def plot(figures: dict[str, Any]) -> str:
	"""Draws CPU a chunk over the length of the answer, both on logarithmic axes."""
	lines = {name: one["cpu"] for name, one in figures.items() if isinstance(one, dict) and "cpu" in one}

	def x(length: int) -> float:
		return MARGIN + (len(str(length)) - 3) * (WIDTH - 2 * MARGIN - 90) / 3

	def y(value: float) -> float:
		from math import log10

		return HEIGHT - MARGIN - (log10(max(value, 1))) * (HEIGHT - 2 * MARGIN) / 4

	parts = [
		f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="11">',
		f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
		f'<text x="{MARGIN}" y="24" font-size="13">CPU a chunk, µs, by the length of the answer in chunks</text>',
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
	proxy, missing = results.get("litellm's proxy", {}), float("inf")
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

	empty = [""] * (len(columns) - 1)
	counts = " / ".join(f"{of_site[f'events of an answer of {seconds} s']:.0f}" for seconds in (1, 4, 12))
	wait_s = of_site["longest wait of a character, provider's write to client"] / 1000
	rows = [
		["POST to event 1, p50 / p99", *(times(one, "event_1_ms") for one in columns.values())],
		[
			f"POST to the first chunk, p50 / p99 (litellm's own proxy: {times(proxy, 'first_ms')})",
			*(times(one, "first_ms") for one in columns.values()),
		],
		[
			f"CPU for each chunk at full speed (a bare litellm loop: {number(results['litellm']['cpu']['1000'])} µs;"
			f" one event for each chunk: {number(results['naive']['cpu']['1000'])} µs)",
			*(f"{number(one['cpu']['1000'])} µs" for one in columns.values()),
		],
		[
			"50 chats at once at 50 tokens a second: from the provider's write to the client, p99"
			f" (litellm's proxy: {late(proxy, '50')})",
			*(late(one, "50") for one in columns.values()),
		],
		["100 chats at once: the same", *(late(one, "100") for one in columns.values())],
		["number of events in an answer of 1 / 4 / 12 s at 50 tokens a second", counts, *empty],
		["longest time from the provider's write of a character to the client", f"{wait_s:.2f} s", *empty],
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
chunks (3), many chats at once (3), and answers of 10,000 chunks by litellm (1). The provider, the client and other processes of
the machine share the cores with what is measured, so the ratios are more reliable than the milliseconds.

The tables compare these contenders (`tests/bench/compare.py`); `performance.json` has all figures of the comparison:

- *direct* is the standalone site with its own adapter. *direct, on Frappe* with a version is the same on a bench of
  that version.
- *by litellm* is the standalone site when it asks the same provider through litellm.
- *naive* is *by litellm*, and stores and publishes each chunk by itself.
- *litellm* is a loop over litellm's stream, and *litellm, no logging* is the same loop without litellm's logging; *litellm's proxy* is its own server.
- *httpx* and *aiohttp* are loops that read the provider's bytes and parse the JSON. *The wire* only reads the bytes.

## Targets

{table(["what", "measured", "target", "reached"], goals(results))}

## CPU a chunk, µs

The table shows the CPU time for each chunk of answers of 100 to 100,000 chunks at full speed. The last column is an answer of
{PACED} chunks at 50 a second. The figure of a site covers the whole path, up to the published event and the stored answer.

{table(["", *(f"{n:,}" for n in LENGTHS), "at 50 a second"], cpu)}

![CPU a chunk by the length of the answer](images/performance.svg)

## From the question to event 1 and to the first chunk, ms

{table(["", "event 1, p50", "p99", "first chunk, p50", "p99", "first chat of the server"], first)}

## Many at once

Chats of 4 s at 50 chunks a second, started within one second. The table shows the time from the provider's write of the first
chunk to the client's receipt, the growth of the process's memory for each chat, and the cores used. The gunicorn of a bench has 32
threads. Further chats wait for a thread; the figures do not include this wait.

{table(["", "chats", "p50, ms", "p99, ms", "MB a chat", "cores", "failed"], many)}

## Against other gateways

{against_gateways(results["gateways"]) if results.get("gateways") else UNMEASURED}

## The site alone

{table(["what", "measured", "target", "reached"], alone)}

{STEPS}"""
	(DOCS / "performance.md").write_text(text)
	write_overview(results, figures)
	KEPT.write_text(json.dumps(results, indent=1) + "\n")
	(DOCS / "images" / "performance.svg").write_text(plot(results))
