"""Standalone sites that the command line configures itself: with the local model, or with a key of the environment."""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from ai_assistant.printing import printable_text

from .address import Address
from .errors import as_click_error

LOCAL = "local"

# Providers whose key may be in the environment: the variable, the API and the default model.
KEYS = {
	"openai": ("OPENAI_API_KEY", "openai_responses", "gpt-5-mini"),
	"anthropic": ("ANTHROPIC_API_KEY", "anthropic", "claude-sonnet-4-5"),
	"gemini": ("GEMINI_API_KEY", "gemini", "gemini-2.5-flash"),
	"deepseek": ("DEEPSEEK_API_KEY", "deepseek", "deepseek-reasoner"),
	"openrouter": ("OPENROUTER_API_KEY", "openrouter", "deepseek/deepseek-r1"),
}

_stderr = Console(stderr=True, highlight=False)


def say(line: str) -> None:
	"""Print a line for the person on standard error, apart from the output of the command.

	The line may hold what a site or a model wrote.
	"""
	_stderr.print(printable_text(line), markup=False, soft_wrap=True)


@contextmanager
def site_for_one_chat(provider: str, model: str | None) -> Iterator[Address]:
	"""Run a standalone site on a free port as long as the context lasts."""
	from ai_assistant.standalone import stand_in
	from ai_assistant.standalone.server import running_site

	stand_in.install()
	# A setting of a module of ours, not a patch.
	from ai_assistant import log  # nosemgrep: frappe-monkey-patching-not-allowed

	log.copy_to_stderr = False
	with config_for(provider, model) as config, tempfile.TemporaryDirectory() as data:
		with running_site(site_config=config, data=Path(data)) as site:
			(account,) = site.users.values()
			say(f"A standalone site answers at {site.url} for this chat.")
			yield Address(site.url, None, site.name, account.name, account.password)


@contextmanager
def config_for(provider: str, model: str | None) -> Iterator[Path]:
	"""A site config with this one provider, which only this user can read, as long as the context lasts."""
	with ExitStack() as stack:
		if provider == LOCAL:
			from ai_assistant.standalone import model as local_model

			with as_click_error():
				entry = stack.enter_context(local_model.running(say))
			say(f"The local model {local_model.NAME} answers. It is small: expect fluent text, not facts.")
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
