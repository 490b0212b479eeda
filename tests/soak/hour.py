"""`make soak-hour`: three requests in the background that take about an hour, in real time.

- `whole`: the provider ends the answer after 58 minutes.
- `endless`: the provider would go on; `total_background_s` ends the request after an hour.
- `cancelled`: the provider would go on; the client cancels the request after 54 minutes.
"""

import argparse
import math
import sys
import threading
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

from ai_assistant.standalone import stand_in

stand_in.install()

from ai_assistant.client import Client
from ai_assistant.client.conformance import violations
from tests.support.provider import ReceivedRequest, ScriptedProvider
from tests.support.site import PROVIDER_PORT
from tests.support.wire import Step

from .report import Row, table
from .sites import OnBench, Standalone, started

MINUTES = 60
"""The default of `total_background_s`."""
END, CANCEL = 58 / 60, 54 / 60
"""The share of that time after which the provider ends `whole`, and after which the client cancels `cancelled`."""
ADAPTERS = {
	"whole": ("openai", "scripted"),
	"endless": ("anthropic", "claude-sonnet-4-5"),
	"cancelled": ("openai_responses", "gpt-5"),
}
"""The API and the model of each request's provider. The provider has the name of the request."""
IDLE_S = 90
"""More than the longest silence of the provider, which is SILENCE times `pause_s`."""
SILENCE, LINES = 6, 12
"""After every twelfth line the provider is silent for six times as long as between two others."""
MOST_SILENCE_S = 5
"""The client's SILENCE_S. The heartbeat is sent every three seconds."""
MOST_LATE_S = 5
LEASE_EVERY_S = 10
GRACE_S = 30
"""How long after the total deadline the run waits for ends that do not come."""


class Followed:
	"""A request in the background, and what its client and its provider have seen of it.

	Args:
		client: a client whose socket is connected.
		server: the provider.
		name: of the request.
	"""

	def __init__(self, client: Client, server: ScriptedProvider, name: str) -> None:
		self.name = name
		self.silence_s, self.lease_s, self.leases = 0.0, math.inf, 0
		self.cancel_at = math.inf
		self.closed_s = self.ended_at = math.nan
		self.events: list[dict[str, Any]] = []
		self.stream = client.chat(_question(name), provider=name, background=True)
		self._thread = threading.Thread(target=self._follow, daemon=True)
		self._thread.start()
		self.received: ReceivedRequest = server.wait_for(_question(name), 60)

	@property
	def runs(self) -> bool:
		return self._thread.is_alive()

	@property
	def took_s(self) -> float:
		"""From the provider's receipt of the request to the arrival of the completion."""
		return self.ended_at - self.received.time

	def sent(self, until: float = math.inf) -> str:
		"""Returns the text that the provider has sent until then, by `time.perf_counter()`."""
		wire = b"".join(data for at, data in self.received.written if at <= until)
		marks = range(wire.count(b"Line "))
		return "".join(_line(n) for n in marks if _mark(n).encode() in wire)

	def cancel(self, client: Client) -> None:
		self.cancel_at = time.perf_counter()
		client.post("cancel", request_id=self.stream.request_id)
		if self.received.hung_up.wait(GRACE_S):
			self.closed_s = time.perf_counter() - self.cancel_at

	def _follow(self) -> None:
		last = time.perf_counter()
		for event in self.stream:
			now = time.perf_counter()
			self.silence_s, last = max(self.silence_s, now - last), now
			if event["type"] == "completion":
				self.ended_at = now
			if event["type"] != "ai_status":
				self.events.append(event)


def main() -> int:
	"""Runs the requests. Returns 0 if every target is reached."""
	parser = argparse.ArgumentParser(prog="make soak-hour")
	parser.add_argument("bench", type=Path, nargs="?")
	parser.add_argument("site", nargs="?")
	parser.add_argument("--minutes", type=float, default=MINUTES, help="instead of an hour")
	arguments = parser.parse_args()
	total_s = arguments.minutes * 60
	timeouts = {"idle_s": IDLE_S}
	if arguments.minutes != MINUTES:
		timeouts["total_background_s"] = total_s
	with ScriptedProvider(PROVIDER_PORT if arguments.bench else 0, _plan(total_s)) as server:
		config = {"providers": _providers(server), "timeouts": timeouts}
		with started(arguments.bench, arguments.site, config) as site, site.client() as client:
			client.connect()
			requests = {name: Followed(client, server, name) for name in ADAPTERS}
			run(site, client, requests, total_s)
			rows = _rows(client, requests, total_s)
			version = site.version
	print("\n".join(["", f"{version}, {total_s:.0f} s:", "", *table(rows)]))
	missed = [row.name for row in rows if not row.is_met]
	if missed:
		print(f"Not reached: {'; '.join(missed)}. Find the cause before this version is released.")
	elif arguments.minutes == MINUTES:
		print('Next: write this table into docs/reliability.md, section "An hour in the background".')
	else:
		print("Next: run it for an hour, without --minutes.")
	return int(bool(missed))


def run(site: OnBench | Standalone, client: Client, requests: dict[str, Followed], total_s: float) -> None:
	"""Reads the leases and cancels one request, until all requests have ended."""
	began = time.perf_counter()
	lease_at, show_at = 0.0, 60.0
	while any(request.runs for request in requests.values()):
		passed_s = time.perf_counter() - began
		if passed_s >= lease_at:
			lease_at += LEASE_EVERY_S
			leases = site.leases()
			for request in requests.values():
				if (left_s := leases.get(request.stream.request_id)) is not None:
					request.lease_s = min(request.lease_s, left_s)
					request.leases += 1
		if passed_s >= CANCEL * total_s and requests["cancelled"].cancel_at == math.inf:
			requests["cancelled"].cancel(client)
		if passed_s >= show_at:
			show_at += 60
			_show(passed_s, requests)
		if passed_s >= total_s + GRACE_S:
			return
		time.sleep(0.5)


def _show(passed_s: float, requests: dict[str, Followed]) -> None:
	"""Prints a line for each minute."""
	states = [
		f"{request.name} {'runs' if request.runs else 'has ended'}, {len(request.events)} events,"
		f" silence ≤ {request.silence_s:.1f} s, lease ≥ {request.lease_s:.1f} s"
		for request in requests.values()
	]
	print(f"{time.strftime('%H:%M:%S')} {passed_s / 60:.0f} min: {'; '.join(states)}", flush=True)


def _rows(client: Client, requests: dict[str, Followed], total_s: float) -> list[Row]:
	"""Compares what the client and the provider have seen with the targets."""
	whole, endless, cancelled = requests.values()
	late_s, cancel_s = endless.took_s - total_s, cancelled.ended_at - cancelled.cancel_at
	rows = [
		_ended(whole, "completed"),
		_ended(endless, "failed, timeout"),
		_ended(cancelled, "cancelled"),
		_within("`whole`: ends after", whole.took_s - END * total_s, END * total_s),
		_within("`endless`: the total deadline ends it after", late_s, total_s),
		_within("`cancelled`: time from the cancel to the completion", cancel_s),
		_within(
			"`cancelled`: time from the cancel to the closed connection of the provider", cancelled.closed_s
		),
		Row(
			"`endless`: the connection of the provider is closed",
			"yes",
			"yes" if endless.received.hung_up.wait(MOST_LATE_S) else "no",
			endless.received.hung_up.is_set(),
		),
	]
	for request in requests.values():
		rows += _rows_of(client, request)
	return rows


def _rows_of(client: Client, request: Followed) -> list[Row]:
	"""The rows that all requests have."""
	answer = request.stream.answer
	response = answer["response"] if answer else ""
	# What the provider sends after the cancel may be lost.
	sent = request.sent(until=request.cancel_at)
	has_all = response.startswith(sent) and request.sent().startswith(response)
	journal = client.get("get_events", request_id=request.stream.request_id)["events"]
	completions = sum(event["type"] == "completion" for event in journal)
	wrong = violations(request.events, answer) if answer and request.events else ["There is no answer."]
	for sentence in wrong:
		print(f"{request.name}: {sentence}")
	name = f"`{request.name}`"
	lost = sum(len(line) for line in sent.splitlines(keepends=True) if line not in response)
	read_back = request.stream.read_back
	silence, lease = f"{request.silence_s:.1f} s", f"{request.lease_s:.1f} s in {request.leases} readings"
	return [
		Row(
			f"{name}: characters sent by the provider that the answer lacks",
			"0",
			f"{lost} of {len(sent)}",
			has_all and sent != "",
		),
		Row(f"{name}: completions", "1", str(completions), completions == 1),
		Row(f"{name}: violations of the rules of the event stream", "0", str(len(wrong)), not wrong),
		Row(f"{name}: events that the socket did not bring", "0", str(read_back), not read_back),
		Row(
			f"{name}: longest silence between two messages to the client",
			f"≤ {MOST_SILENCE_S} s",
			silence,
			request.silence_s <= MOST_SILENCE_S,
		),
		Row(f"{name}: shortest rest of the lease", "> 0 s", lease, 0 < request.lease_s < math.inf),
	]


def _ended(request: Followed, target: str) -> Row:
	answer = request.stream.answer or {"status": "no answer"}
	error = answer.get("error")
	end = f"{answer['status']}, {error['code']}" if error else answer["status"]
	return Row(f"`{request.name}`: end", target, end, end == target)


def _within(name: str, late_s: float, expected_s: float = 0) -> Row:
	"""The row of a time that may be at most a second shorter and MOST_LATE_S longer than expected."""
	target = f"{expected_s:.0f} s, at most {MOST_LATE_S} s later" if expected_s else f"≤ {MOST_LATE_S} s"
	return Row(name, target, f"{expected_s + late_s:.1f} s", -1 <= late_s <= MOST_LATE_S)


def _providers(server: ScriptedProvider) -> list[dict[str, Any]]:
	return [
		{
			"name": name,
			"api": api,
			"api_base": server.base(api),
			"api_key": "soak-hour",
			"models": [model],
			"default_model": model,
		}
		for name, (api, model) in ADAPTERS.items()
	]


def _plan(total_s: float) -> Any:
	"""What the provider does with each request: it writes a line every `total_s` / 360 seconds, with silences.

	The first line comes after half of that time, so that no line is due at the moment of an end or a cancel.
	"""
	pause_s = max(2.0, total_s / 360)

	def steps(request: ReceivedRequest) -> list[Step]:
		name = next(name for name in ADAPTERS if _question(name) in request.text)
		until_s = END * total_s if name == "whole" else 2 * total_s
		times = [pause_s / 2]
		while times[-1] < until_s:
			times.append(times[-1] + pause_s * (1 if len(times) % LINES else SILENCE))
		times[-1] = until_s
		played: list[Step] = [{"sleep": times[0]}]
		for n, (this, following) in enumerate(pairwise(times)):
			played += [{"text": _line(n)}, {"sleep": following - this}]
		return [*played, {"finish": "stop"}]

	return steps


def _question(name: str) -> str:
	return f"Write the {name} text."


def _mark(n: int) -> str:
	return f"Line {n:04}"


def _line(n: int) -> str:
	return f"{_mark(n)}: the provider writes “é” and a few more words.\n"


if __name__ == "__main__":
	sys.exit(main())
