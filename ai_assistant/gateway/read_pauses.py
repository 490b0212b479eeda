"""Pauses between two reads of a stream, so that one turn of the loop handles several chunks."""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncGenerator, Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
	import aiohttp

# A stream pauses between two reads, because a read costs 100 to 300 µs of CPU, however little it brings. The pause is a share
# of the stream's age, so that a short answer is not delayed. It ends early after MANY_BYTES, or after ENOUGH of the bytes
# that the stream usually brings in that time, because the end of an answer comes with several events at once.
PAUSE_SHARE = 0.1
MIN_PAUSE_S = 0.02
MAX_PAUSE_S = 0.06
# The clock of the loop counts in ms.
MIN_READ_S = 0.001
ENOUGH = 0.9
MANY_BYTES = 8 * 1024


async def with_pauses(
	response: "aiohttp.ClientResponse", calls: Callable[[], object]
) -> AsyncGenerator[bytes, None]:
	"""Yields the bytes of a stream as they come, and pauses between two reads until `calls()` is true.

	During a pause the kernel wakes the loop only for many bytes and for the end of the connection. `pause_reading()` would
	save nothing: uvloop learns of the pause when the next bytes wake it (strace).
	"""
	loop = asyncio.get_running_loop()
	# A response that has ended has given its connection back.
	connected = sys.platform == "linux" and response.connection
	transport = connected.transport if connected else None
	began = last = loop.time()
	connection, pause = None, None
	try:
		async for data in response.content.iter_any():
			yield data
			now = loop.time()
			pause_s, since_s, last = min((now - began) * PAUSE_SHARE, MAX_PAUSE_S), now - last, now
			if not transport or transport.is_closing():
				continue
			if pause_s >= MIN_PAUSE_S and len(data) < MANY_BYTES and not calls():
				connection = connection or _socket_of(transport)
				if pause:
					# The last pause ended early, because many bytes had arrived.
					pause.cancel()
				usual = len(data) * pause_s / max(since_s, MIN_READ_S)
				_wake_for(connection, max(1, int(min(ENOUGH * usual, MANY_BYTES))))
				# Linux reports the bytes that have come when the size is lowered (tcp_set_rcvlowat). Others may not.
				pause = loop.call_later(pause_s, _wake_for, connection, 1)
	finally:
		if pause and connection:
			pause.cancel()
			_wake_for(connection, 1)
			connection.close()


def _socket_of(transport: asyncio.Transport) -> socket.socket:
	"""Returns a second handle of a connection. uvloop makes a new object for each look at its own."""
	return socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno()))


def _wake_for(connection: socket.socket, size: int) -> None:
	"""Sets how many bytes the kernel gathers before it wakes the loop."""
	connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, size)
