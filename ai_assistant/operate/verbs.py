"""What `bench --site S ai-assistant …` and `ai-assistant …` have in common: their verbs, once they know the site."""

import json
import sys
from collections.abc import Iterable
from dataclasses import asdict

import click

from ai_assistant.realtime.log import printable

from .examine import Check, examine

WELL, FAILED = 0, 1
MARKS = {True: "✓", False: "✗", None: "·"}


def doctor(checks: Iterable[Check], as_json: bool) -> int:
	"""Makes the checks and says what they come to, a line each; gives the exit code."""
	code = WELL
	for finding in examine(checks, _begins):
		if finding.ok is False:
			code = FAILED
		if as_json:
			line = json.dumps(asdict(finding), ensure_ascii=False)
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
