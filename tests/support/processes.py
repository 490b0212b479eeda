"""Who has forked whom, as Linux tells."""

from pathlib import Path


def children(pid: int) -> list[int]:
	"""The processes that a process has started itself; none of one that has ended."""
	try:
		tasks = list(Path(f"/proc/{pid}/task").iterdir())
		return [int(child) for task in tasks for child in (task / "children").read_text().split()]
	except (FileNotFoundError, ProcessLookupError):
		return []


def descendants(pid: int) -> list[int]:
	"""Those, and theirs in turn."""
	return [each for child in children(pid) for each in (child, *descendants(child))]
