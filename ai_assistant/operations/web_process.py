"""`bench ai-assistant web`: a web process for the app alone, so that chats take no thread of the site's web server.

It is Frappe's own WSGI application under gunicorn, with a thread for each chat. nginx passes it the app's paths; Frappe's
web server answers all others. docs/deployment.md shows both.
"""

import re
from collections.abc import Callable, Iterable
from typing import Any

from gunicorn.app.base import BaseApplication

from ai_assistant import gateway
from ai_assistant.chat import capacity

ADDRESS = "127.0.0.1:8005"
# The paths of `/api/method/ai_assistant.…`, of Frappe's `/api/v1` and `/api/v2` too, and of `/ai/v1` (api/short_address.py).
PATHS = r"^/(api/(v[12]/)?method/ai_assistant\.|ai/v1(/|$))"
# The threads for calls that are short, such as cancel and list_models, when chats hold all of theirs.
THREADS_FOR_OTHER_CALLS = 16
# A chat in a web request takes at most 110 s, so that SIGTERM cuts none.
GRACEFUL_TIMEOUT_S = 120
NOT_FOUND = b'{"exception": "This process serves only the methods of ai_assistant."}'

WSGI = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class WebProcess(BaseApplication):
	"""gunicorn with one worker process, which a master process restarts if it dies.

	Args:
		address: host and port on which it listens, such as `127.0.0.1:8005`.
		chats: how many chats and waiting `get_events` calls the process answers at a time.
	"""

	def __init__(self, address: str, chats: int) -> None:
		self.address = address
		self.chats = chats
		super().__init__()

	def load_config(self) -> None:
		options = {
			"bind": self.address,
			"worker_class": "gthread",
			"threads": self.chats + THREADS_FOR_OTHER_CALLS,
			# Otherwise gunicorn would accept connections that wait for a thread and are not answered.
			"worker_connections": self.chats + 4 * THREADS_FOR_OTHER_CALLS,
			"graceful_timeout": GRACEFUL_TIMEOUT_S,
			"proc_name": "ai-assistant-web",
		}
		for name, value in options.items():
			self.cfg.set(name, value)

	def load(self) -> WSGI:
		"""Returns the application. gunicorn calls this in the worker process."""
		import frappe.app

		gateway.warm()
		capacity.reserve(self.chats)
		return only_ours(frappe.app.application)


def only_ours(application: WSGI) -> WSGI:
	"""Makes an application that answers 404 to all paths but those of PATHS."""
	ours = re.compile(PATHS)

	def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
		if ours.match(environ.get("PATH_INFO", "")):
			return application(environ, start_response)
		start_response("404 Not Found", [("Content-Type", "application/json")])
		return [NOT_FOUND]

	return answer


def nginx_location(site: str, address: str) -> str:
	"""Returns the `location` that passes the app's paths of a site to the process.

	The headers are those that bench's own nginx configuration sends (bench/config/templates/nginx.conf), and the two that
	open a WebSocket.
	"""
	return f"""location ~ {PATHS} {{
	proxy_http_version 1.1;
	proxy_set_header X-Forwarded-For $remote_addr;
	proxy_set_header X-Forwarded-Proto $scheme;
	proxy_set_header X-Frappe-Site-Name {site};
	proxy_set_header Host $host;
	proxy_set_header Upgrade $http_upgrade;
	proxy_set_header Connection $http_connection;
	proxy_read_timeout 120s;
	proxy_redirect off;
	proxy_pass http://{address};
}}"""
