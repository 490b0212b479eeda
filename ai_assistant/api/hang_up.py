"""Finds out that a client has closed its connection while the site has nothing to write to it."""

import socket
import ssl
from collections.abc import Callable, Mapping
from typing import Any

# gunicorn and werkzeug's development server put the socket of the connection into the WSGI environment.
SOCKETS = ("gunicorn.socket", "werkzeug.socket")
# The standalone site puts a function into the WSGI environment instead.
KEY = "ai_assistant.hung_up"


def watcher(environ: Mapping[str, Any]) -> Callable[[], bool]:
	"""Makes a function that returns whether the client of a request has hung up. The function never waits.

	nginx closes its connection to the web server when its client hangs up. The function returns False if the web server
	exposes no socket, and if the web server itself ends TLS: the next write finds a hang-up then.

	Args:
		environ: the WSGI environment of the request.
	"""
	own: Callable[[], bool] | None = environ.get(KEY)
	if own:
		return own
	connection = next((environ[key] for key in SOCKETS if key in environ), None)
	if not isinstance(connection, socket.socket) or isinstance(connection, ssl.SSLSocket):
		return lambda: False

	def hung_up() -> bool:
		try:
			return not connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
		except (BlockingIOError, InterruptedError):
			return False
		except OSError:
			return True

	return hung_up
