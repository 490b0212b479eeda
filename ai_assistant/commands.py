"""`bench --site S ai-assistant …`."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from typing import Any

import click
import frappe
import httpx
from frappe.commands import get_site, pass_context
from socketio.exceptions import SocketIOError

from ai_assistant import gateway, store
from ai_assistant.chat import queue
from ai_assistant.cli import actions
from ai_assistant.client import ApiError, Client
from ai_assistant.config import settings
from ai_assistant.operations import web_process
from ai_assistant.operations.doctor.check import CheckFailed, counted


@click.group("ai-assistant")
def ai_assistant() -> None:
	"""Commands of AI Assistant on a bench."""


@ai_assistant.command()
@click.option(
	"--chats",
	default=16,
	show_default=True,
	type=click.IntRange(1, 256),
	help="Chats at a time. Each holds a database connection while it runs.",
)
@click.option("--quiet", is_flag=True, help="Log only warnings and errors.")
@pass_context
def worker(context: frappe._dict, chats: int, quiet: bool) -> None:
	"""Answer background chats for all sites of the bench, many at a time in this one process.

	SIGTERM or Ctrl-C finishes the running chats and takes no more; a second one ends them with what has arrived.
	More worker processes use more processors, and a killed one ends fewer chats.
	"""
	from frappe.utils import background_jobs

	from ai_assistant.operations.worker import ChatWorker, warm_up

	frappe.init(get_site(context))
	if queue.queue_name() != queue.OWN_QUEUE:
		# Other jobs in that queue may need signals, or may not be safe in threads.
		raise click.ClickException(
			f"The queue {queue.OWN_QUEUE!r} is not declared, so chats go to Frappe's queue {queue.FALLBACK_QUEUE!r}, and the"
			f" workers of that queue answer them. To declare it: bench set-config -g -p workers \"{{'{queue.OWN_QUEUE}': {{'timeout': 1800}}}}\","
			" then bench restart."
		)
	click.echo("Loading the gateway …", err=True)
	frappe.connect()
	warm_up()
	gateway.preload(settings.load().providers)
	rq_queue = background_jobs.get_queue(queue.OWN_QUEUE)
	background_jobs.set_niceness()
	frappe.destroy()
	click.echo(
		f"Answering {counted(chats, 'chat')} at a time from the queue {queue.OWN_QUEUE!r}. SIGTERM or Ctrl-C finishes the"
		" running chats.",
		err=True,
	)
	ChatWorker(rq_queue, chats).work("WARNING" if quiet else "INFO")


@ai_assistant.command()
@click.option(
	"--address",
	default=web_process.ADDRESS,
	show_default=True,
	help="Host and port to listen on. nginx on another machine needs the address of this one.",
)
@click.option(
	"--chats",
	default=256,
	show_default=True,
	type=click.IntRange(1, 1024),
	help="Chats at a time. Each holds a thread and a database connection while it runs.",
)
def web(address: str, chats: int) -> None:
	"""Answer the app's methods for all sites of the bench in a web process of their own.

	Chats then hold no thread of the site's web server. nginx passes it the app's paths: see the command nginx. SIGTERM
	lets running chats finish.
	"""
	click.echo(
		f"Answering {counted(chats, 'chat')} at a time on http://{address}. MariaDB's max_connections must allow"
		f" {chats + web_process.THREADS_FOR_OTHER_CALLS} more. SIGTERM or Ctrl-C finishes the running chats.",
		err=True,
	)
	web_process.WebProcess(address, chats).run()


@ai_assistant.command()
@click.option(
	"--address", default=web_process.ADDRESS, show_default=True, help="Where the command web listens."
)
@pass_context
def nginx(context: frappe._dict, address: str) -> None:
	"""Print the location that passes the app's paths to the process of the command web.

	Put it into the server of the site in config/nginx.conf, and again after each bench setup nginx.
	"""
	click.echo(web_process.nginx_location(_one_site(context), address))


@ai_assistant.command()
@actions.results_as_json
@pass_context
def doctor(context: frappe._dict, as_json: bool) -> None:
	"""Check what a chat on this site needs, and print what is wrong and how to correct it.

	The exit code is 1 if a check fails (✗). Checks that need it are skipped (·).
	"""
	from ai_assistant.operations.doctor import bench_checks, services

	frozen = None
	# Frappe itself reports a configuration that cannot be read.
	with suppress(Exception):
		frozen = services.frozen_cache(frappe.get_site_config(".", _one_site(context))["redis_cache"])
	with nullcontext() if frozen else _site(context):
		code = actions.doctor(bench_checks.of_bench(frozen), as_json)
	sys.exit(code)


@ai_assistant.command()
@pass_context
def smoke(context: frappe._dict) -> None:
	"""Chat once as Administrator, check that the events follow the rules of docs/streaming.md, and print one line.

	The exit code is 1 if the chat failed, and 3 if an event broke a rule.
	"""
	from ai_assistant.operations import admin_session, canary

	with _ready_site(context), canary.client() as here, admin_session.session() as sid:
		with Client(here.url, here.site, here.socketio_url, sid=sid) as client:
			code = actions.smoke(client)
	sys.exit(code)


@ai_assistant.command()
@actions.events_as_json
@pass_context
def watch(context: frappe._dict, as_json: bool) -> None:
	"""Print the events of all users' requests as they are stored, until Ctrl-C.

	It reads as Administrator. View Log gets a row for each request of another user whose events are printed.
	"""
	from ai_assistant.chat import event_feed

	def page(cursor: Any) -> dict[str, Any]:
		# The database shows this process what others have committed only in a new transaction.
		frappe.db.rollback()
		return event_feed.page(cursor)

	with _ready_site(context):
		actions.watch(page, as_json)


@contextmanager
def _ready_site(context: frappe._dict) -> Iterator[None]:
	"""Connect to a site that has the app and is not in maintenance. Show what is wrong in one line."""
	from ai_assistant.operations.doctor import bench_checks

	try:
		with _site(context):
			bench_checks.installed()
			bench_checks.maintenance()
			yield
	except CheckFailed as failure:
		raise click.ClickException(f"{failure.finding}. {failure.remedy}") from None
	except (ApiError, httpx.HTTPError, SocketIOError, store.StoreUnavailable) as error:
		raise click.ClickException(f"{error}. bench --site … ai-assistant doctor says more.") from None


@contextmanager
def _site(context: frappe._dict) -> Iterator[None]:
	"""The site that --site names, as its Administrator. Frappe connects to the database at the first query."""
	frappe.init(_one_site(context))
	frappe.connect()
	try:
		yield
	except BrokenPipeError:
		actions.end_unread()
	finally:
		frappe.destroy()


def _one_site(context: frappe._dict) -> str:
	site: str = get_site(context)
	if len(context.sites) > 1:
		raise click.UsageError("--site accepts one site here.")
	return site


commands = [ai_assistant]
