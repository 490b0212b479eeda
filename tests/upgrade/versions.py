"""The first version of the app, out of git, to be upgraded from and gone back to."""

import subprocess
import tarfile
from io import BytesIO
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent.parent
# The tag, and the commit it is on: a clone need not have tags.
FIRST = ("v0.1.0", "c6531a1")


def first_version(folder: Path) -> Path:
	"""Its package, in a folder that goes before this checkout on a Python's path. Skips where git has no history."""
	for name in FIRST:
		archive = ["git", "archive", name, "ai_assistant"]
		done = subprocess.run(archive, cwd=CHECKOUT, capture_output=True)
		if done.returncode == 0:
			with tarfile.open(fileobj=BytesIO(done.stdout)) as files:
				files.extractall(folder)
			return folder
	pytest.skip(
		f"there is no upgrade to try: this clone has neither {' nor '.join(FIRST)} in its git history"
	)
