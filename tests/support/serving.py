"""A socket server of a test, on a thread."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from socketserver import BaseServer


@contextmanager
def serving(server: BaseServer) -> Iterator[str]:
	"""Serves as long as the context lasts, and gives the address of the server."""
	with server:
		thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
		thread.start()
		try:
			yield f"http://127.0.0.1:{server.server_address[1]}"
		finally:
			server.shutdown()
			thread.join()
