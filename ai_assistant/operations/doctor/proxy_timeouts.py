"""How long the web servers in front of a chat wait for it, as far as a bench's processes and files tell."""

import math
import os
import re
import shlex
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ai_assistant.config import gunicorn as gunicorn_options

# What each does where it was told nothing.
GUNICORN_S, NGINX_S = 30.0, 60.0
# In seconds (nginx.org, "Configuration file measurement units").
UNITS = {"ms": 0.001, "": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}

Block = list[tuple[list[str], "Block"]]
"""What stands in a block of nginx: the words of each directive, and the block that follows them, if one does."""


@dataclass(frozen=True)
class Gunicorn:
	"""`timeout_s` is None where it cannot be known, `sync` whether each chat holds a worker of its own."""

	timeout_s: float | None
	sync: bool


def gunicorn(sites: Path) -> list[Gunicorn]:
	"""Those of the bench with this `sites` folder: as they run, or as supervisor is to run them."""
	return [_told(*started, sites) for started in _running(sites) or _supervised(sites)]


def nginx_s(written: str, hosts: set[str]) -> float | None:
	"""How long nginx waits for a chat at one of the `hosts` by its configuration; None where it passes none on."""
	found = list(_waits(_parsed(written), NGINX_S, []))
	own = [wait for names, wait in found if hosts & set(names)]
	return min(own or [wait for _names, wait in found], default=None)


def _running(sites: Path) -> list[tuple[list[str], str]]:
	"""The words of their commands, and their GUNICORN_CMD_ARGS."""
	found = []
	for process in Path("/proc").glob("[0-9]*"):
		# One that has ended meanwhile, or is another user's.
		with suppress(OSError):
			command = _words(process / "cmdline")
			# Where setproctitle is installed, as beside Frappe 16, a title stands there and no options.
			titled = command[0].startswith("gunicorn: ")
			named = any("gunicorn" in word for word in command[:3]) and not titled
			if named and (process / "cwd").resolve() == sites:
				environment = dict(word.partition("=")[::2] for word in _words(process / "environ"))
				found.append((command[1:], environment.get("GUNICORN_CMD_ARGS", "")))
	return found


def _words(file: Path) -> list[str]:
	return os.fsdecode(file.read_bytes()).split("\0")


def _supervised(sites: Path) -> list[tuple[list[str], str]]:
	with suppress(OSError, ValueError):
		written = (sites.parent / "config" / "supervisor.conf").read_text()
		return [
			(shlex.split(line), "")
			for line in re.findall(r"^command=(\S*gunicorn\b.*)$", written, re.MULTILINE)
		]
	return []


def _told(command: list[str], environment: str, sites: Path) -> Gunicorn:
	options = gunicorn_options.told(command, environment, sites)
	timeout_s = None
	with suppress(TypeError, ValueError):
		# 0 is for ever.
		timeout_s = float(options.get("timeout", GUNICORN_S)) or math.inf
	one = gunicorn_options.threads(options) == 1
	return Gunicorn(timeout_s, one and options.get("worker_class", "sync") == "sync")


def _waits(block: Block, wait: float, names: list[str]) -> Iterator[tuple[list[str], float]]:
	"""For each place that passes requests on, but for the sockets': its server's names, and what is said in it or around."""
	if said := _directive(block, "proxy_read_timeout"):
		wait = _seconds(" ".join(said))
	names = _directive(block, "server_name") or names
	for words, inner in block:
		if words[:1] == ["proxy_pass"]:
			yield names, wait
		elif "/socket.io" not in words:
			yield from _waits(inner, wait, names)


def _seconds(said: str) -> float:
	parts = re.findall(r"(\d+)\s*([a-z]*)", said)
	# A variable, or what nginx would refuse, ends nobody's chat that we know of.
	if not parts or any(unit not in UNITS for _number, unit in parts):
		return math.inf
	return sum(int(number) * UNITS[unit] for number, unit in parts)


def _directive(block: Block, name: str) -> list[str] | None:
	return next((words[1:] for words, _inner in block if words[:1] == [name]), None)


def _parsed(written: str) -> Block:
	token = r"""#.*|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|[{};]|[^\s{};]+"""
	return _block(each for each in re.findall(token, written) if not each.startswith("#"))


def _block(tokens: Iterator[str]) -> Block:
	found: Block = []
	words: list[str] = []
	for each in tokens:
		if each == "}":
			break
		if each in "{;":
			found.append((words, _block(tokens) if each == "{" else []))
			words = []
		else:
			words.append(each.strip("\"'"))
	return found
