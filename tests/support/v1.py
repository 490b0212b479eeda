"""Shared by the tests of the standard APIs."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from .site import Account, Site

PATH = "/api/method/ai_assistant.v1"


def base(site: Site) -> str:
	"""The address that a client of these APIs is given."""
	return site.url + PATH


def headers(account: Account) -> dict[str, str]:
	return {"Authorization": f"token {account.token}"}


def ask(
	site: Site, path: str, body: Any = None, *, account: Account | None = None, **more: Any
) -> httpx.Response:
	"""Sends a body, JSON unless it is bytes, or gets a path without one. More headers may be given."""
	sent = {**headers(account or site.first), **more.pop("headers", {})}
	if isinstance(body, bytes):
		more.setdefault("method", "POST")
		return httpx.request(url=base(site) + path, content=body, headers=sent, timeout=60, **more)
	more.setdefault("method", "GET" if body is None else "POST")
	return httpx.request(url=base(site) + path, json=body, headers=sent, timeout=60, **more)


@contextmanager
def streaming(site: Site, path: str, body: dict[str, Any] | None, **more: str) -> Iterator[httpx.Response]:
	"""A response whose body has not been read: of a POST, or of a GET without a `body`."""
	with httpx.Client(timeout=60) as http:
		sent: dict[str, Any] = {"headers": {**headers(site.first), **more}}
		if body is not None:
			sent["json"] = {**body, "stream": True}
		with http.stream("GET" if body is None else "POST", base(site) + path, **sent) as response:
			yield response


def events(response: httpx.Response) -> Iterator[tuple[str | None, Any]]:
	"""The name and the data of each Server-Sent Event; data that is not JSON is given as text."""
	name = None
	for line in response.iter_lines():
		if line.startswith("event: "):
			name = line.removeprefix("event: ")
		elif line.startswith("data: "):
			data = line.removeprefix("data: ")
			yield name, data if data == "[DONE]" else json.loads(data)
			name = None
		else:
			assert line == "" or line.startswith(":"), line
