"""The limit of what a proxy in Python can reach: an aiohttp server that passes on the bytes of a stream.

Argument: the provider's address. Prints its port.
"""

import asyncio
import sys

import aiohttp
import uvloop
from aiohttp import web


async def main(provider: str) -> None:
	session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))

	async def forward(request: web.Request) -> web.StreamResponse:
		url = provider + request.path.removeprefix("/v1")
		sent = {"Content-Type": "application/json"}
		async with session.post(url, data=await request.read(), headers=sent) as asked:
			response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
			await response.prepare(request)
			async for data in asked.content.iter_any():
				await response.write(data)
			await response.write_eof()
			return response

	app = web.Application(client_max_size=2**25)
	app.router.add_post("/{path:.*}", forward)
	runner = web.AppRunner(app, access_log=None)
	await runner.setup()
	site = web.TCPSite(runner, "127.0.0.1", 0)
	await site.start()
	print(runner.addresses[0][1], flush=True)
	await asyncio.Event().wait()


if __name__ == "__main__":
	uvloop.run(main(sys.argv[1]))
