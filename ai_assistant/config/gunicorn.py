"""What gunicorn was told: by its configuration file, by its environment and on its command line, of which the last wins."""

import argparse
import ast
import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

_OPTIONS = argparse.ArgumentParser("gunicorn", add_help=False, exit_on_error=False)
_OPTIONS.add_argument("-t", "--timeout")
_OPTIONS.add_argument("-k", "--worker-class", dest="worker_class")
_OPTIONS.add_argument("--threads")
_OPTIONS.add_argument("-c", "--config")

# What is set in a file that is not to be read from here, nobody knows.
_UNKNOWN = dict.fromkeys(("timeout", "worker_class", "threads"))


def told(command: Sequence[str], environment: str, folder: Path) -> dict[str, Any]:
	"""Its options by name, from its command, GUNICORN_CMD_ARGS and the folder it was started in.

	None stands for what is said and cannot be known.
	"""
	options: dict[str, Any] = {}
	with suppress(argparse.ArgumentError, ValueError):
		parsed, _others = _OPTIONS.parse_known_args([*shlex.split(environment), *command])
		options = {name: value for name, value in vars(parsed).items() if value}
	if "config" not in options:
		return {**(_assigned(folder / "gunicorn.conf.py") or {}), **options}
	found = _assigned(folder / options["config"].removeprefix("file:"))
	return {**(_UNKNOWN if found is None else found), **options}


def threads(options: Mapping[str, Any]) -> int | None:
	"""How many requests one of its processes serves at a time; None where that cannot be known."""
	if options.get("worker_class", "sync") not in ("sync", "gthread"):
		return None
	said = str(options.get("threads", 1))
	return int(said) if said.isdigit() else None


def _assigned(file: Path) -> dict[str, Any] | None:
	"""What gunicorn's own configuration file says, which is Python; None is what had to be run to know it."""
	try:
		body = ast.parse(file.read_text()).body
	except OSError:
		return None
	except (ValueError, SyntaxError):
		return {}
	return {
		target.id: getattr(node.value, "value", None)
		for node in body
		if isinstance(node, ast.Assign)
		for target in node.targets
		if isinstance(target, ast.Name)
	}
