"""The aiohttp client of an event loop: its connections, and the certificate authorities that it trusts."""

import asyncio
import atexit
import os
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from . import models

if TYPE_CHECKING:
	import ssl

	import aiohttp

IDLE_CONNECTION_S = 55
# The size of a header and the number of headers that browsers accept. aiohttp's default refuses 8 KB.
MAX_HEADER_BYTES = 256 * 1024
MAX_HEADERS = 1024
# aiohttp reads ahead up to twice as many bytes. With its default of 64 KB, one read of a fast stream has hundreds of
# events, and each event costs up to a tenth more CPU.
READ_BYTES = 16 * 1024

_clients: "dict[asyncio.AbstractEventLoop, aiohttp.ClientSession]" = {}


class UnreadableAuthorities(Exception):
	"""The certificate authorities that the environment names cannot be read."""


@lru_cache
def certificates_of_environment() -> "ssl.SSLContext":
	"""Loads the trusted authorities: those that OpenSSL's environment variables name, or else certifi's."""
	import ssl

	import certifi

	file, folder = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
	try:
		return ssl.create_default_context(
			cafile=file or (None if folder else certifi.where()), capath=folder or None
		)
	except OSError:
		raise UnreadableAuthorities() from None


def new_client(certificates: "ssl.SSLContext", *, force_close: bool = False) -> "aiohttp.ClientSession":
	import aiohttp

	async def tell(_client: object, context: Any, _told: object) -> None:
		context.trace_request_ctx["reused"] = True

	tracing = aiohttp.TraceConfig()
	tracing.on_connection_reuseconn.append(tell)
	connections: dict[str, Any] = (
		{"force_close": True} if force_close else {"keepalive_timeout": IDLE_CONNECTION_S}
	)
	return aiohttp.ClientSession(
		connector=aiohttp.TCPConnector(ssl=certificates, limit=0, **connections),
		# The gateway has the deadlines, and closes the connection itself.
		timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
		# All providers and keys share the client, so a cookie of one must not reach another.
		cookie_jar=aiohttp.DummyCookieJar(),
		headers={"user-agent": "ai_assistant", "accept-encoding": "identity"},
		trace_configs=[tracing],
		max_line_size=MAX_HEADER_BYTES,
		max_field_size=MAX_HEADER_BYTES,
		max_headers=MAX_HEADERS,
		read_bufsize=READ_BYTES,
	)


async def load() -> "aiohttp.ClientSession":
	"""Loads what a first question needs on this loop, once: 0.2 s of imports, certificates and the list of models.

	One client a loop, and so a process: a forked child's loop is its own.
	"""
	loop = asyncio.get_running_loop()
	if loop not in _clients:
		certificates = await asyncio.to_thread(certificates_of_environment)
		await asyncio.to_thread(models.load)
		# Another question may have waited for the same.
		if loop not in _clients:
			_clients[loop] = new_client(certificates)
			atexit.register(_close, os.getpid(), loop, _clients[loop])
	return _clients[loop]


def _close(pid: int, loop: asyncio.AbstractEventLoop, client: "aiohttp.ClientSession") -> None:
	"""Closes the sessions. aiohttp writes a warning to the terminal at the end of the process for each open one."""
	if pid == os.getpid() and not client.closed:
		with suppress(Exception):
			asyncio.run_coroutine_threadsafe(client.close(), loop).result(timeout=1)
