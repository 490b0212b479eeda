"""The commands of `ai-assistant`."""

import io
import sys
from contextlib import ExitStack
from pathlib import Path

import click

from ai_assistant import __version__

from . import actions
from .address import Address, addressed, client_at
from .conversation import converse
from .errors import as_click_error
from .local_site import KEYS, LOCAL, config_for, say, site_for_one_chat
from .local_tools import LocalTools

# As the person has called it, so that printed commands can be pasted.
PROGRAM = sys.argv[0] if sys.argv[0].endswith("ai-assistant") else "ai-assistant"

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="ai-assistant")
def main() -> None:
	"""A streaming AI backend for Frappe sites, here with a site that needs no bench."""
	for stream in (sys.stdout, sys.stderr):
		if isinstance(stream, io.TextIOWrapper):
			# A character that the terminal lacks is printed as its number, and does not end the chat.
			stream.reconfigure(errors="backslashreplace")


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
	"--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free port."
)
@click.option("--site-config", type=FILE, help="The site's configuration, as site_config.json of a bench.")
@click.option(
	"--data", type=click.Path(file_okay=False, path_type=Path), help="The folder of its database and logs."
)
@click.option(
	"--provider",
	type=click.Choice([LOCAL, *KEYS]),
	help="The local model, or a provider whose key is in the environment.",
)
@click.option("--model", help="Another model of that provider.")
def serve(
	host: str,
	port: int,
	site_config: Path | None,
	data: Path | None,
	provider: str | None,
	model: str | None,
) -> None:
	"""Start the standalone site. Without --site-config it answers with the local model."""
	if site_config and (provider or model):
		raise click.UsageError("--site-config contains its providers; leave --provider and --model out.")
	if model and provider in (None, LOCAL):
		raise click.UsageError(f"--model goes with one of --provider {', '.join(KEYS)}.")
	with as_click_error():
		from ai_assistant.standalone.server import RunningSite
		from ai_assistant.standalone.server import serve as serve_site

	def ready(site: RunningSite) -> None:
		say(f"The standalone site answers at {site.url} (site {site.name}). Ctrl-C stops it.")
		say(f"Open {site.url}/ai-assistant in a browser.")
		if site.config.current().values.get("standalone_users") is None:
			(account,) = site.users.values()
			say(f"Its only user is {account.name}, with a password for this run. Next, in another terminal:")
			login = f"--user {account.name} --password {account.password}"
			say(f'  {PROGRAM} chat "Hello" --url {site.url} --site {site.name} {login}')

	with ExitStack() as stack:
		config = site_config or stack.enter_context(config_for(provider or LOCAL, model))
		with as_click_error():
			serve_site(host, port, site_config=config, data=data, ready=ready)


@main.command()
@click.argument("prompt")
@addressed
@click.option("--mode", help="One of the site's modes.")
@click.option("--provider", help=f"One of the site's providers; without --url: {LOCAL}, {', '.join(KEYS)}.")
@click.option("--model", help="One of the provider's models.")
@click.option(
	"--tools",
	"tools_file",
	type=FILE,
	help="A Python file with functions that the model may call. They run here, without asking.",
)
@actions.events_as_json
def chat(
	prompt: str,
	at: Address | None,
	mode: str | None,
	provider: str | None,
	model: str | None,
	tools_file: Path | None,
	as_json: bool,
) -> None:
	"""Ask PROMPT, show the reasoning and the answer, and check that the events follow the rules of docs/streaming.md.

	Without --url, a site is started for this chat.
	The exit code is 0 if every event came once, in order, and the events joined are the answer of the REST call.
	It is 1 if the chat failed, and 3 if an event broke a rule. With --tools, the chat continues until the model
	calls no tool.
	"""
	try:
		tools = LocalTools(tools_file) if tools_file else None
	except ValueError as error:
		raise click.BadParameter(str(error), param_hint="--tools") from None
	if tools and not at and provider in (None, LOCAL):
		# The grammar of its answers has no tool calls.
		raise click.UsageError("The local model takes no tools; name a --provider, or a site with --url.")
	with ExitStack() as stack, as_click_error():
		if at is None:
			at = stack.enter_context(site_for_one_chat(provider or LOCAL, model))
			provider = None
		client = stack.enter_context(at.client())
		# The site explains a wrong key, and the realtime server does not.
		client.get("list_models")
		client.connect()
		fields = {"mode": mode, "provider": provider, "model": model}
		code = converse(client, prompt, tools, as_json, fields)
	sys.exit(code)


@main.command()
@addressed
@click.option("--site-config", type=FILE, help="A configuration file, as site_config.json of a bench.")
@actions.results_as_json
def doctor(at: Address | None, site_config: Path | None, as_json: bool) -> None:
	"""Check what a chat needs, and print what is wrong and how to correct it.

	With --url, a running site is checked as a client sees it, also on a bench. With --site-config, the file is read and
	its providers are asked from here. The exit code is 1 if a check fails (✗). Checks that need it are skipped (·).
	"""
	from ai_assistant.operations.doctor import remote_checks
	from ai_assistant.standalone.checks import of_config

	checks = []
	if site_config:
		with as_click_error():
			checks += of_config(site_config)
	if at:
		checks += remote_checks.of_site(at.url, at.socketio_url or at.url, at.client)
	if not checks:
		raise click.UsageError("Name a running site (--url) or a --site-config.")
	sys.exit(actions.doctor(checks, as_json))


@main.command()
@addressed
@click.option("--json", "as_json", is_flag=True, help="Print one object a line.")
def models(at: Address | None, as_json: bool) -> None:
	"""List the models of a site, and what is known of each."""
	with client_at(at) as client:
		actions.models(client, as_json)


@main.command()
@addressed
def smoke(at: Address | None) -> None:
	"""Run one chat from end to end, check that its events follow the rules of docs/streaming.md, and print one line.

	The exit codes are those of chat.
	"""
	with client_at(at) as client:
		code = actions.smoke(client)
	sys.exit(code)


@main.command()
@addressed
@actions.events_as_json
def watch(at: Address | None, as_json: bool) -> None:
	"""Print the events of your requests as they are stored, until Ctrl-C. A System Manager sees those of all users.

	The site logs whose requests a System Manager reads.
	"""
	with client_at(at) as client:
		actions.watch(lambda cursor: client.post("watch", cursor=cursor), as_json)
