"""The commands that `bench --site S ai-assistant …` and `ai-assistant …` have in common."""

import json
import os
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, NoReturn

import click

from ai_assistant.client import ChatStream, Client
from ai_assistant.client.conformance import violations
from ai_assistant.gateway.probe import QUESTION
from ai_assistant.operations.doctor.check import Check, counted, run_checks
from ai_assistant.printing import printable
from ai_assistant.realtime.event import STATUS

# Exit codes.
SUCCESS, FAILED, VIOLATED = 0, 1, 3
POLL_S = 0.5
MARKS = {True: "✓", False: "✗", None: "·"}

events_as_json = click.option("--json", "as_json", is_flag=True, help="Print the events, one a line.")
results_as_json = click.option(
	"--json", "as_json", is_flag=True, help="Print one object a line with name, ok, seen and remedy."
)


def doctor(checks: Iterable[Check], as_json: bool) -> int:
	"""Run the checks and print one line for each.

	Args:
		checks: The checks to run.
		as_json: Print each result as a JSON object with name, ok, seen and remedy.

	Returns:
		The exit code.
	"""
	code = SUCCESS
	for result in run_checks(checks, _show_progress):
		if result.ok is False:
			code = FAILED
		if as_json:
			line = json.dumps(
				{"name": result.name, "ok": result.ok, "seen": result.finding, "remedy": result.remedy}
			)
		else:
			line = f"{MARKS[result.ok]} {result.name}: {result.finding}"
			line += f" → {result.remedy}" if result.remedy else ""
		_show_progress("")
		click.echo(printable(line))
	return code


def _show_progress(name: str) -> None:
	"""Show the running check in the terminal, where its result will stand. An empty name clears the line."""
	if sys.stderr.isatty():
		click.echo(f"\r\x1b[K… {printable(name)}" if name else "\r\x1b[K", nl=False, err=True)


def models(client: Client, as_json: bool) -> None:
	"""Print the models that the user may choose from. A dash stands for what is unknown."""
	for provider in client.get("list_models")["providers"]:
		for model, details in provider["details"].items():
			if as_json:
				click.echo(json.dumps({"provider": provider["name"], "model": model, **details}))
			else:
				click.echo(printable(f"{provider['name']}/{model}: {_described(details)}"))


def _described(details: dict[str, Any]) -> str:
	sizes = [
		f"{details[name]:,}" if details[name] else "-" for name in ("context_window", "max_output_tokens")
	]
	abilities = [name for name in ("vision", "documents", "tools") if details[name]]
	prices = details["prices"]
	cost = f"${prices['input']:g} in, ${prices['output']:g} out" if prices else "price -"
	return f"window {sizes[0]}, answer {sizes[1]}, {', '.join(abilities) or '-'}, {cost}"


def smoke(client: Client) -> int:
	"""Run one chat over REST and Socket.IO, check it against the contract, and print the outcome.

	Returns:
		The exit code.
	"""
	# The site explains a wrong key, and the realtime server does not.
	client.get("list_models")
	client.connect()
	began = time.monotonic()
	stream = client.chat(QUESTION)
	events = [event for event in stream if event["type"] != STATUS]
	code, lines = verdict(stream, events, time.monotonic() - began)
	for line in lines:
		click.echo(printable(line))
	return code


def verdict(stream: ChatStream, events: list[dict[str, Any]], seconds: float) -> tuple[int, list[str]]:
	"""Judge a chat that has ended.

	Args:
		stream: The chat.
		events: Its `ai_progress` events, in the order of arrival.
		seconds: How long it took.

	Returns:
		The exit code, and the lines to print.
	"""
	answer = stream.answer
	if answer is None:
		return FAILED, [f"✗ {stream.error}"]
	if answer["status"] == "failed":
		return FAILED, [f"✗ {answer['error']['message']}"]
	who = f"{answer['model']} of {answer['provider']}"
	usage = answer["usage"]
	tokens = counted(usage["total_tokens"], "token") if usage else "an unknown number of tokens"
	figures = f"{tokens}, {seconds:.1f} s"
	lines = []
	if trimmed := answer.get("trimmed"):
		results = counted(trimmed["tool_results"], "result")
		lines.append(
			f"Left out: {results} of tools, about {trimmed['tokens']} tokens, because the model's context window is full."
		)
	if not answer["realtime"]["last_seq"]:
		line = f"✓ {who} answered, without events: realtime is switched off on this site; {figures}."
		return SUCCESS, [*lines, line]
	wrong = violations(events, answer)
	if stream.read_back:
		if len(events) == stream.read_back:
			wrong.append("No event came over Socket.IO; all were read back from the journal.")
		lines.append(
			f"{stream.read_back} of {counted(len(events), 'event')} were read back from the journal."
		)
	if wrong:
		return VIOLATED, [*lines, *(f"✗ {sentence}" for sentence in wrong)]
	line = f"✓ {who} answered: {counted(len(events), 'event')} over Socket.IO, whole and in order; {figures}."
	return SUCCESS, [*lines, line]


def watch(page: Callable[[Any], dict[str, Any]], as_json: bool) -> None:
	"""Print events as the journal gets them, one line each, until Ctrl-C.

	Args:
		page: Returns the events after a cursor, as the method `watch` of the API does. The first cursor is None.
		as_json: Print each event as JSON.
	"""
	cursor = None
	with suppress(KeyboardInterrupt):
		while True:
			answer = page(cursor)
			cursor = answer["cursor"]
			for event in answer["events"]:
				click.echo(json.dumps(event) if as_json else printable(_line(event)))
			if not answer["events"]:
				time.sleep(POLL_S)


def end_unread() -> NoReturn:
	"""End a command whose output is no longer read, as with `| head`. Otherwise Python complains when it closes the pipe."""
	os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
	sys.exit(FAILED)


def _line(event: dict[str, Any]) -> str:
	detail = event["text"] if event["partial"] else event.get("error", {}).get("code") or event["status"]
	time_of_day = str(event["timestamp"]).partition(".")[0]
	return f"{time_of_day} {event['user']} {event['request_id']} {event['seq']} {event['type']} {detail}".rstrip()
