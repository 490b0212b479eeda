"""The descendants of a process on Linux, and the command line as a person or a script uses it."""

import os
import subprocess
import sys
from pathlib import Path


def command_line(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
	"""`ai-assistant …`, once it has ended."""
	return subprocess.run(
		[sys.executable, "-m", "ai_assistant.cli", *arguments],
		capture_output=True,
		text=True,
		env={**os.environ, **environment},
	)


def children(pid: int) -> list[int]:
	"""The processes that a process has started itself; none of one that has ended."""
	try:
		tasks = list(Path(f"/proc/{pid}/task").iterdir())
		return [int(child) for task in tasks for child in (task / "children").read_text().split()]
	except (FileNotFoundError, ProcessLookupError):
		return []


def descendants(pid: int) -> list[int]:
	"""Those, and theirs in turn."""
	return [process for child in children(pid) for process in (child, *descendants(child))]
