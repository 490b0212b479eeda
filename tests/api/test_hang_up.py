"""A hang-up is seen on the connections of real web servers, without a byte written to them."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.site import CHECKOUT

# It answers with one part, and stays in the response until its client has hung up; then it writes a file.
APPLICATION = """
import sys, time
from pathlib import Path
sys.path.insert(0, {checkout!r})
from ai_assistant.standalone import stand_in
stand_in.install()
from ai_assistant.api.hang_up import watcher

def application(environ, start_response):
	hung_up = watcher(environ)
	start_response("200 OK", [("Content-Type", "text/plain")])
	def parts():
		assert not hung_up()
		yield b"begun"
		until = time.monotonic() + 20
		while time.monotonic() < until:
			if hung_up():
				Path({seen!r}).touch()
				return
			time.sleep(0.01)
	return parts()

if __name__ == "__main__":
	from werkzeug.serving import run_simple
	run_simple("127.0.0.1", int(sys.argv[1]), application, threaded=True)
"""
GUNICORN = ["-m", "gunicorn", "app:application", "--log-level", "error", "-b"]


@contextmanager
def serving(folder: Path, server: str) -> Iterator[tuple[str, int]]:
	with socket.socket() as free:
		free.bind(("127.0.0.1", 0))
		address = free.getsockname()
	bound = f"127.0.0.1:{address[1]}"
	commands = {
		"gunicorn sync": [*GUNICORN, bound],
		"gunicorn threads": [*GUNICORN, bound, "-k", "gthread", "--threads", "2"],
		"werkzeug": ["app.py", str(address[1])],
	}
	process = subprocess.Popen([sys.executable, *commands[server]], cwd=folder, stderr=subprocess.DEVNULL)
	try:
		yield address
	finally:
		process.terminate()
		process.wait()


def connected(address: tuple[str, int]) -> socket.socket:
	"""A connection to a server that is about to start."""
	until = time.monotonic() + 30
	while True:
		try:
			return socket.create_connection(address, timeout=30)
		except ConnectionRefusedError:
			assert time.monotonic() < until
			time.sleep(0.05)


@pytest.mark.parametrize("server", ["gunicorn sync", "gunicorn threads", "werkzeug"])
def test_a_hang_up_is_seen_while_nothing_is_written(tmp_path: Path, server: str) -> None:
	seen = tmp_path / "seen"
	(tmp_path / "app.py").write_text(APPLICATION.format(checkout=str(CHECKOUT), seen=str(seen)))
	with serving(tmp_path, server) as address:
		with connected(address) as connection:
			connection.sendall(b"GET / HTTP/1.1\r\nHost: site\r\n\r\n")
			read = b""
			while b"begun" not in read:
				read += connection.recv(4096)
			assert not seen.exists()
		until = time.monotonic() + 15
		while not seen.exists():
			assert time.monotonic() < until, "the hang-up was not seen"
			time.sleep(0.02)
