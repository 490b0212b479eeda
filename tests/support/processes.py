"""The descendants, CPU time and memory of a process on Linux, and the command line as a person or a script uses it."""

import os
import subprocess
import sys
import time
from collections.abc import Iterable
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


def cpu_seconds(pids: Iterable[int]) -> float:
	"""CPU time of other processes, in the kernel's nanoseconds (Linux' clock id of a process)."""
	return sum(time.clock_gettime((~pid << 3) | 2) for pid in pids)


def resident_mb(pids: Iterable[int]) -> float:
	pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids)
	return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
