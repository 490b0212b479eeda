"""What `bench --site S ai-assistant …` and `ai-assistant …` have in common: their verbs, once they know the site."""

import json
import os
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict
from typing import Any, NoReturn

import click

from ai_assistant.client.client import ChatStream, Client
from ai_assistant.client.conformance import violations
from ai_assistant.gateway.probe import QUESTION
from ai_assistant.operations.doctor.check import Check, counted, examine
from ai_assistant.printing import printable
from ai_assistant.realtime.event import STATUS

WELL, FAILED, VIOLATED = 0, 1, 3
LOOK_S = 0.5
MARKS = {True: "✓", False: "✗", None: "·"}


def doctor(checks: Iterable[Check], as_json: bool) -> int:
	"""Makes the checks and says what they come to, a line each; gives the exit code."""
	code = WELL
	for finding in examine(checks, _begins):
		if finding.ok is False:
			code = FAILED
		if as_json:
			line = json.dumps(asdict(finding))
		else:
			line = f"{MARKS[finding.ok]} {finding.name}: {finding.seen}"
			line += f" → {finding.remedy}" if finding.remedy else ""
		_begins("")
		click.echo(printable(line))
	return code


def _begins(name: str) -> None:
	"""Names on the terminal what is being waited for, in the place of the line to come."""
	if sys.stderr.isatty():
		click.echo(f"\r\x1b[K… {name}" if name else "\r\x1b[K", nl=False, err=True)


def smoke(client: Client) -> int:
	"""One chat over REST and Socket.IO, held against the contract; says how it went and gives the exit code."""
	# A wrong key is said in the site's own words; a refused socket has none.
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
	"""The exit code of a chat that has ended, and what there is to say of it."""
	answer = stream.answer
	if answer is None:
		return FAILED, [f"✗ {stream.error}"]
	if answer["status"] == "failed":
		return FAILED, [f"✗ {answer['error']['message']}"]
	who = f"{answer['model']} of {answer['provider']}"
	usage = answer["usage"]
	tokens = counted(usage["total_tokens"], "token") if usage else "an unknown number of tokens"
	figures = f"{tokens}, {seconds:.1f} s"
	if not answer["realtime"]["last_seq"]:
		return WELL, [f"✓ {who} answered, without events: realtime is switched off on this site; {figures}."]
	wrong, lines = violations(events, answer), []
	if stream.read_back:
		heard = len(events) - stream.read_back
		wrong += [] if heard else ["Not one event came over Socket.IO; all were read back from the journal."]
		lines = [f"{stream.read_back} of {counted(len(events), 'event')} were read back from the journal."]
	if wrong:
		return VIOLATED, [*lines, *(f"✗ {sentence}" for sentence in wrong)]
	line = f"✓ {who} answered: {counted(len(events), 'event')} over Socket.IO, whole and in order; {figures}."
	return WELL, [*lines, line]


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
				time.sleep(LOOK_S)


def unread() -> NoReturn:
	"""Ends a command whose output nobody reads any more, as behind `| head`: Python would complain when it closes it."""
	os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
	sys.exit(FAILED)


def _line(event: dict[str, Any]) -> str:
	said = event["text"] if event["partial"] else event.get("error", {}).get("code") or event["status"]
	at = str(event["timestamp"]).partition(".")[0]
	return f"{at} {event['user']} {event['request_id']} {event['seq']} {event['type']} {said}".rstrip()
