"""The options that say where a site is and who asks."""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Any

import click
import httpx

from ai_assistant.client import Client

from .errors import as_click_error


@dataclass(frozen=True)
class Address:
	"""Where a site is, and who asks."""

	url: str
	socketio_url: str | None
	site: str
	user: str | None
	password: str | None
	token: str | None = None

	def client(self) -> Client:
		"""A logged-in client. Raises as `Client()` does."""
		return Client(self.url, self.site, self.socketio_url, self.user, self.password, self.token)


def addressed(command: Callable[..., None]) -> Callable[..., None]:
	"""Give a command these options as the argument `at`: an Address, or None without --url."""

	@click.option("--url", help="The address of a running site.")
	@click.option(
		"--socketio-url", help="The address of its realtime server, if that has its own port (bench: 9000)."
	)
	@click.option("--site", help="The name of the site, if it is not the host of --url.")
	@click.option("--user", help="Log in as this user, with --password.")
	@click.option("--password", envvar="AI_ASSISTANT_PASSWORD", help="Also read from AI_ASSISTANT_PASSWORD.")
	@click.option(
		"--token",
		envvar="AI_ASSISTANT_TOKEN",
		help='An API key "key:secret" instead of a user. Also read from AI_ASSISTANT_TOKEN.',
	)
	@functools.wraps(command)
	def run(**options: Any) -> None:
		given = {field.name: options.pop(field.name) for field in fields(Address)}
		if not given["url"]:
			if given["user"] or given["site"] or given["socketio_url"]:
				raise click.UsageError("--user, --site and --socketio-url go with --url.")
			return command(at=None, **options)
		if not given["token"] and not (given["user"] and given["password"]):
			raise click.UsageError("--url needs --token, or --user and --password.")
		with as_click_error():
			host = httpx.URL(given["url"]).host
		given["site"] = given["site"] or host
		command(at=Address(**given), **options)

	return run


@contextmanager
def client_at(at: Address | None) -> Iterator[Client]:
	"""A client of the site that the options name. Raises click's errors."""
	if at is None:
		raise click.UsageError("Name a running site by --url.")
	with as_click_error(), at.client() as client:
		yield client
