"""`ai-assistant`: the standalone site, and a chat in the terminal with any site."""

import functools
import io
import json
import os
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import httpx
import socketio
from rich.console import Console

import ai_assistant
from ai_assistant import __version__
from ai_assistant.client import ApiError, Client, assistant_message

from . import actions
from .local_tools import LocalTools
from .terminal import printable, show_all, view_for

LOCAL = "local"
# As it was called, so that what is printed can be pasted.
PROGRAM = sys.argv[0] if sys.argv[0].endswith("ai-assistant") else "ai-assistant"

# Providers whose key may stand in the environment, each with the model that is asked where none is named.
KEYS = {
	"openai": ("OPENAI_API_KEY", "openai_responses", "gpt-5-mini"),
	"anthropic": ("ANTHROPIC_API_KEY", "anthropic", "claude-sonnet-4-5"),
	"gemini": ("GEMINI_API_KEY", "gemini", "gemini-2.5-flash"),
	"deepseek": ("DEEPSEEK_API_KEY", "deepseek", "deepseek-reasoner"),
	"openrouter": ("OPENROUTER_API_KEY", "openrouter", "deepseek/deepseek-r1"),
}

# A model may call tools for ever.
MAX_ROUNDS = 10

_notes = Console(stderr=True, highlight=False)


def say(line: str) -> None:
	"""A line for the person, apart from what the command gives out."""
	_notes.print(line, markup=False, soft_wrap=True)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="ai-assistant")
def main() -> None:
	"""A streaming AI backend for Frappe sites; here with a site that needs no bench."""
	for stream in (sys.stdout, sys.stderr):
		if isinstance(stream, io.TextIOWrapper):
			# A terminal that lacks a character shows its number; the chat would end otherwise.
			stream.reconfigure(errors="backslashreplace")


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535))
@click.option(
	"--site-config", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="As a bench has it."
)
@click.option(
	"--data", type=click.Path(file_okay=False, path_type=Path), help="The folder of its database and logs."
)
@click.option(
	"--provider", type=click.Choice([LOCAL, *KEYS]), help="The local model, or a key of the environment."
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
		raise click.UsageError("--site-config names its providers itself; leave --provider and --model out.")
	if model and provider in (None, LOCAL):
		raise click.UsageError(f"--model goes with one of --provider {', '.join(KEYS)}.")
	with _as_click_error():
		from ai_assistant.standalone.server import RunningSite
		from ai_assistant.standalone.server import serve as serve_site

	def ready(site: RunningSite) -> None:
		say(f"The standalone site answers at {site.url} (site {site.name}). Ctrl-C stops it.")
		say(f"Its page for people is {site.url}/ai-assistant")
		if site.config.current().values.get("standalone_users") is None:
			(account,) = site.users.values()
			say(
				f"Its one user is {account.name}, with a password made for this run. Next, in another terminal:"
			)
			who = f"--user {account.name} --password {account.password}"
			say(f'  {PROGRAM} chat "Hello" --url {site.url} --site {site.name} {who}')

	with ExitStack() as stack:
		config = site_config or stack.enter_context(_config_for(provider or LOCAL, model))
		with _as_click_error():
			serve_site(host, port, site_config=config, data=data, ready=ready)


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
		return Client(self.url, self.site, self.socketio_url, self.user, self.password, self.token)


def addressed(command: Callable[..., None]) -> Callable[..., None]:
	"""Gives a command the options that say where a site is and who asks, as `at`: an Address, or None without --url."""

	@functools.wraps(command)
	def run(
		url: str | None,
		socketio_url: str | None,
		site: str | None,
		user: str | None,
		password: str | None,
		token: str | None,
		**rest: Any,
	) -> None:
		if not url:
			if user or site or socketio_url:
				raise click.UsageError("--user, --site and --socketio-url go with --url.")
			return command(at=None, **rest)
		if not token and not (user and password):
			raise click.UsageError("--url needs --token, or --user and --password.")
		with _as_click_error():
			host = httpx.URL(url).host
		command(at=Address(url, socketio_url, site or host, user, password, token), **rest)

	for option in reversed(
		(
			click.option("--url", help="A site that runs."),
			click.option(
				"--socketio-url", help="Its realtime server, where that has a port of its own (bench: 9000)."
			),
			click.option("--site", help="Its name, where that is not the host of --url."),
			click.option("--user", help="With --password."),
			click.option("--password", envvar="AI_ASSISTANT_PASSWORD", help="Or in AI_ASSISTANT_PASSWORD."),
			click.option(
				"--token",
				envvar="AI_ASSISTANT_TOKEN",
				help='"key:secret" instead of a user; or in AI_ASSISTANT_TOKEN.',
			),
		)
	):
		run = option(run)
	return run


@main.command()
@click.argument("prompt")
@addressed
@click.option("--mode", help="One of the site's modes.")
@click.option("--provider", help=f"One of the site's; without --url: {LOCAL}, {', '.join(KEYS)}.")
@click.option("--model", help="One of the provider's.")
@click.option(
	"--tools",
	"tools_file",
	type=click.Path(exists=True, dir_okay=False, path_type=Path),
	help="A Python file whose functions the model may call; they run here.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the events, one a line.")
def chat(
	prompt: str,
	at: Address | None,
	mode: str | None,
	provider: str | None,
	model: str | None,
	tools_file: Path | None,
	as_json: bool,
) -> None:
	"""Ask PROMPT, watch the thinking and the answer, and check that the contract held.

	Without --url a site is started for this chat.
	Exits with 0 only when every event came, once, in order, and joined them give the answer of the REST call;
	with 1 where the chat failed, and 3 where the contract did not hold. With --tools it goes on until the model calls
	none any more.
	"""
	try:
		tools = LocalTools(tools_file) if tools_file else None
	except ValueError as error:
		raise click.BadParameter(str(error), param_hint="--tools") from None
	if tools and not at and provider in (None, LOCAL):
		# Its grammar is one of thoughts and words.
		raise click.UsageError("The local model takes no tools; name a --provider, or a site with --url.")
	with ExitStack() as stack, _as_click_error():
		if at is None:
			at = stack.enter_context(_site_of_its_own(provider or LOCAL, model))
			provider = None
		client = stack.enter_context(at.client())
		# A wrong key is said in the site's own words; a refused socket has none.
		client.get("list_models")
		client.connect()
		fields = {"mode": mode, "provider": provider, "model": model}
		status = _converse(client, prompt, tools, as_json, fields)
	sys.exit(status)


def _converse(
	client: Client, prompt: str, tools: LocalTools | None, as_json: bool, fields: dict[str, Any]
) -> int:
	"""Asks, and answers what the model calls, until it calls nothing; gives the exit code."""
	messages: list[dict[str, Any]] = [{"role": "user", "content": prompt}]
	if tools:
		fields = {**fields, "tools": tools.offered, "task_id": str(uuid.uuid4())}
	for _round in range(MAX_ROUNDS):
		started = time.monotonic()
		stream = client.chat(messages, **fields)
		try:
			events = show_all(view_for(Console(highlight=False), as_json), stream)
		except (KeyboardInterrupt, BrokenPipeError):
			# Nobody looks any more: the provider need not go on.
			client.post("cancel", request_id=stream.request_id)
			raise
		if stream.answer and not events and not as_json:
			click.echo(printable(stream.answer["response"]))
		status, lines = actions.verdict(stream, events, time.monotonic() - started)
		for line in lines:
			say(line)
		calls = stream.answer and stream.answer.get("tool_calls")
		if status or not tools or not stream.answer or not calls or stream.answer["status"] != "completed":
			return status
		messages.append(assistant_message(stream.answer))
		for call in calls:
			result = tools.run(call)
			say(f"🔧 {call['function']['name']} → {printable(result)}")
			messages.append({"role": "tool", "tool_call_id": call["id"], "content": result})
	say(f"✗ The model still calls tools after {MAX_ROUNDS} rounds.")
	return actions.FAILED


@main.command()
@addressed
@click.option(
	"--site-config",
	type=click.Path(exists=True, dir_okay=False, path_type=Path),
	help="A file, as a bench has it.",
)
@click.option("--json", "as_json", is_flag=True, help="An object a line: name, ok, seen, remedy.")
def doctor(at: Address | None, site_config: Path | None, as_json: bool) -> None:
	"""Look at all that a chat needs, and say what is wrong and what mends it.

	With --url a running site is asked as a client would, a bench's too; with --site-config the file is read and its
	providers are asked from here. Exits with 1 where something is wrong (✗). What depends on that is not checked (·).
	"""
	from ai_assistant.operations.doctor import remote_checks
	from ai_assistant.standalone.checks import of_config

	checks = []
	if site_config:
		with _as_click_error():
			checks += of_config(site_config)
	if at:
		checks += remote_checks.of_site(at.url, at.socketio_url or at.url, at.client)
	if not checks:
		raise click.UsageError("Name a site that runs (--url) or a --site-config.")
	sys.exit(actions.doctor(checks, as_json))


@main.command()
@addressed
def smoke(at: Address | None) -> None:
	"""Chat once, end to end, and hold it against the contract: one line, and the exit codes of chat."""
	with _client(at) as client:
		code = actions.smoke(client)
	sys.exit(code)


@main.command()
@addressed
@click.option("--json", "as_json", is_flag=True, help="Print the events, one a line.")
def watch(at: Address | None, as_json: bool) -> None:
	"""Print the events of your requests as they are stored, those of all users as a System Manager; Ctrl-C ends it."""
	with _client(at) as client:
		actions.watch(lambda cursor: client.post("watch", cursor=cursor), as_json)


@contextmanager
def _client(at: Address | None) -> Iterator[Client]:
	if at is None:
		raise click.UsageError("This needs a site that runs: name it by --url.")
	with _as_click_error(), at.client() as client:
		yield client


@contextmanager
def _site_of_its_own(provider: str, model: str | None) -> Iterator[Address]:
	from ai_assistant.standalone import stand_in
	from ai_assistant.standalone.server import running_site

	stand_in.install()
	from ai_assistant import log

	log.copy_to_stderr = False
	with _config_for(provider, model) as config, tempfile.TemporaryDirectory() as data:
		with running_site(site_config=config, data=Path(data)) as site:
			(account,) = site.users.values()
			say(f"A standalone site answers at {site.url} for this chat.")
			yield Address(site.url, None, site.name, account.name, account.password)


@contextmanager
def _config_for(provider: str, model: str | None) -> Iterator[Path]:
	"""A site config with this one provider, for as long as the context lasts; nobody else may read it."""
	with ExitStack() as stack:
		if provider == LOCAL:
			from ai_assistant.standalone import model as local_model

			with _as_click_error():
				entry = stack.enter_context(local_model.running(say))
			say(f"The local model {local_model.NAME} answers; it is small, so expect flow rather than facts.")
		else:
			entry = _from_environment(provider, model)
			say(f"{entry['default_model']} of {provider} answers, with the key in {KEYS[provider][0]}.")
		folder = stack.enter_context(tempfile.TemporaryDirectory())
		path = Path(folder) / "site_config.json"
		path.touch(mode=0o600)
		path.write_text(json.dumps({"ai_assistant": {"providers": [entry]}}))
		yield path


def _from_environment(provider: str, model: str | None) -> dict[str, Any]:
	if provider not in KEYS:
		raise click.UsageError(f"--provider accepts one of: {', '.join([LOCAL, *KEYS])}.")
	variable, api, default_model = KEYS[provider]
	key = os.environ.get(variable)
	if not key:
		raise click.UsageError(f"--provider {provider} needs its key in the environment variable {variable}.")
	return {
		"name": provider,
		"api": api,
		"api_key": key,
		"models": ["*"],
		"default_model": model or default_model,
	}


@contextmanager
def _as_click_error() -> Iterator[None]:
	"""What a person can mend is said in a line, without a traceback."""
	from ai_assistant.standalone.model import ModelUnavailable
	from ai_assistant.standalone.site_config import BadSiteConfig

	try:
		yield
	except ModuleNotFoundError as error:
		checkout = Path(ai_assistant.__file__).parent.parent
		raise click.ClickException(
			f"The standalone site needs {error.name}, which this Python lacks. In a virtual environment without Frappe:"
			f" pip install '{checkout}[standalone]'"
		) from None
	except (BadSiteConfig, ModelUnavailable, ApiError, RuntimeError) as error:
		raise click.ClickException(str(error)) from None
	except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
		raise click.ClickException(
			f"--url accepts an address such as http://127.0.0.1:8000: {error}"
		) from None
	except httpx.HTTPError as error:
		raise click.ClickException(f"The site does not answer: {error}") from None
	except BrokenPipeError:
		actions.unread()
	except socketio.exceptions.ConnectionError as error:
		raise click.ClickException(f"The realtime server refuses the socket: {error}") from None
	except OSError as error:
		raise click.ClickException(f"The site cannot start: {error.strerror or error}") from None
