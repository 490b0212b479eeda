"""Starts the processes that the benchmarks measure, and ends them."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

# How long a process may take to end before it is killed.
TO_END_S = 10


@contextmanager
def started(
	*command: str, env: dict[str, str] | None = None, output: int = subprocess.PIPE
) -> Iterator[subprocess.Popen[str]]:
	"""Starts a process and ends it. A process that writes a log needs DEVNULL as `output`: a full pipe would stop it."""
	process = subprocess.Popen(
		command,
		stdin=subprocess.PIPE,
		stdout=output,
		stderr=subprocess.DEVNULL,
		text=True,
		env={**os.environ, **(env or {})},
	)
	try:
		yield process
	finally:
		process.terminate()
		try:
			process.wait(TO_END_S)
		except subprocess.TimeoutExpired:
			process.kill()
			process.wait()


@contextmanager
def listening(module: str, *arguments: str) -> Iterator[tuple[int, str]]:
	"""Starts a module of this package that prints its port. Gives its process id and the address of its APIs."""
	with started(sys.executable, "-m", f"tests.bench.{module}", *arguments) as process:
		assert process.stdout
		yield process.pid, f"http://127.0.0.1:{int(process.stdout.readline())}/v1"


def wait_for(url: str) -> None:
	"""Waits until a server answers that was just started."""
	until = time.monotonic() + 240
	while True:
		try:
			httpx.get(url, timeout=2)
			return
		except httpx.HTTPError:
			if time.monotonic() > until:
				raise
			time.sleep(0.2)
