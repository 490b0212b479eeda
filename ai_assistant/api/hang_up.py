"""Whether a client has closed its connection, while the site has nothing to write to it."""

import socket
import ssl
from collections.abc import Callable, Mapping
from typing import Any

# gunicorn and werkzeug's development server put the connection into the WSGI environment.
SOCKETS = ("gunicorn.socket", "werkzeug.socket")
# The standalone site has no socket to look at. It puts a function there.
KEY = "ai_assistant.hung_up"


def watcher(environ: Mapping[str, Any]) -> Callable[[], bool]:
	"""Returns a function that says whether the client of a request has hung up. It never waits.

	It says no where the web server shows no connection, and for TLS that the web server ends itself: there the next
	write finds out. nginx closes its connection to the web server when its client hangs up.
	"""
	if told := environ.get(KEY):
		says: Callable[[], bool] = told
		return says
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
