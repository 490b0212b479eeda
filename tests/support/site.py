"""The site that the contract suite talks to: one that stands, named by the environment, or one started here."""

import json
import os
import re
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ai_assistant.client import Client

from .provider import ScriptedProvider

CHECKOUT = Path(__file__).resolve().parent.parent.parent
CANARY_KEY = "sk-canary-4f1c9a"
# Where a live site has to look for the suite's provider.
PROVIDER_PORT = int(os.environ.get("PROVIDER_PORT", "18999"))

# The price of the second model of each provider in US dollars a million tokens, and a user's budget for a day.
DEAR, BUDGET_USD = 10_000, 1000

USERS = {
	"first@example.com": {"password": "first-Passw0rd", "roles": ["AI Assistant User"]},
	"second@example.com": {"password": "second-Passw0rd", "roles": ["AI Assistant User"]},
	"third@example.com": {"password": "third-Passw0rd", "roles": [], "user_type": "Website User"},
	"spender@example.com": {"password": "spender-Passw0rd", "roles": ["AI Assistant User"]},
}

# On a bench alone: who configures, in Desk.
MANAGER = {"manager@example.com": {"password": "manager-Passw0rd", "roles": ["System Manager"]}}


def site_config(provider: ScriptedProvider) -> dict[str, Any]:
	"""The key `ai_assistant` of a site of the suite: the scripted provider, with short deadlines."""

	def entry(name: str, family: str, priority: int, model: str = "scripted") -> dict[str, Any]:
		return {
			"name": name,
			"api": family,
			"api_base": provider.base(family),
			"api_key": CANARY_KEY,
			"models": [model, f"{model}-2"],
			"default_model": model,
			"prices": {f"{model}-2": {"input": DEAR, "output": 2 * DEAR}},
			"priority": priority,
		}

	return {
		"providers": [
			entry("scripted", "openai", 1),
			entry("claude", "anthropic", 3, "claude-sonnet-4-5"),
		],
		"timeouts": {"first_token_s": 5, "thinking_idle_s": 5, "idle_s": 5, "total_s": 10},
		# The suite makes providers fail all the time: each test finds them as they are configured.
		"failover": {"retries": 0, "cool_down": False},
		"limits": {
			"max_messages": 10,
			"max_chars": 20_000,
			"max_tokens": 1000,
			# The suite is one busy user.
			"requests_per_minute": 100_000,
			"concurrent_per_user": 1000,
			"concurrent_per_site": 1000,
			"web_percent": 100,
		},
		# Of the models that the suite asks, those alone have a price that comes near it.
		"budgets": {"user_cost_per_day": BUDGET_USD},
	}


# No chat ends by a deadline of its own.
PATIENT = {"first_token_s": 60, "thinking_idle_s": 100, "idle_s": 100, "total_s": 110}


def browser_config(provider: ScriptedProvider) -> dict[str, Any]:
	"""Returns `site_config` for tests in a browser, where a silent provider outlasts a page that loads slowly.

	One more model tells the two configurations apart in `list_models`.
	"""
	config = site_config(provider)
	config["timeouts"] = PATIENT
	config["providers"][0]["models"].append("scripted-3")
	return config


def conversations_config(provider: ScriptedProvider) -> dict[str, Any]:
	"""Returns `browser_config` for a site that keeps the questions, with one more model to tell it by."""
	config = browser_config(provider) | {"retention": {"keep_questions": True}}
	config["providers"][0]["models"].append("scripted-4")
	return config


def clients_config(provider: ScriptedProvider) -> dict[str, Any]:
	"""Returns `site_config` for the clients of other makers, which send long conversations."""
	config = site_config(provider)
	config["limits"].update(max_messages=1000, max_chars=1_000_000)
	config["timeouts"] = PATIENT
	# Codex sends other tools for the models that it knows.
	config["providers"][0]["models"] += ["gpt-5.5", "gpt-6-sol"]
	return config


def faults_config(provider: ScriptedProvider) -> dict[str, Any]:
	"""Returns `site_config` for processes that die, with a provider that runs answers by itself."""
	config = site_config(provider)
	config["timeouts"] = PATIENT
	config["providers"].append(
		{
			**config["providers"][0],
			"name": "detached",
			"api": "openai_responses",
			"api_base": provider.base("openai_responses"),
			"models": ["gpt-5"],
			"default_model": "gpt-5",
			"extra": {"background": True},
			"priority": 5,
		}
	)
	return config


APIS = {
	"openai": ("openai", "scripted"),
	"litellm": ("litellm/openai", "scripted"),
	"responses": ("openai_responses", "gpt-5"),
	"claude": ("anthropic", "claude-sonnet-4-5"),
}


def each_adapter(provider: ScriptedProvider, **more: Any) -> dict[str, Any]:
	"""The same with a provider for each adapter."""
	config = site_config(provider)
	one = config["providers"][0]
	config["providers"] = [
		{
			**one,
			"name": name,
			"api": api,
			"api_base": provider.base(api.removeprefix("litellm/")),
			"models": ["*"],
			"default_model": model,
			"priority": n,
		}
		for n, (name, (api, model)) in enumerate(APIS.items(), start=1)
	]
	return {**config, **more}


@dataclass(frozen=True)
class Account:
	user: str
	password: str
	token: str | None = None
	ai_key: str | None = None


@dataclass(frozen=True)
class Site:
	url: str
	socketio_url: str
	name: str
	first: Account
	second: Account
	third: Account
	"""The third user may log in and has no role of the app."""
	spender: Account
	"""This one's budget is used up, once a test has done so."""

	def client(self, account: Account, by_token: bool = False) -> Client:
		if by_token:
			return Client(self.url, self.name, self.socketio_url, token=account.token)
		return Client(self.url, self.name, self.socketio_url, user=account.user, password=account.password)

	def method(self, name: str) -> str:
		return f"{self.url}/api/method/ai_assistant.api.{name}"


def live_site() -> Site | None:
	"""The site that AI_ASSISTANT_URL and its companions name, if they do.

	It has `site_config()` under `ai_assistant` in its site_config.json, and four users as in USERS (or as
	AI_ASSISTANT_USER, _SECOND_USER, _THIRD_USER, _SPENDER_USER with _PASSWORD each name them).
	"""
	url = os.environ.get("AI_ASSISTANT_URL")
	if not url:
		return None

	def account(prefix: str, default: str) -> Account:
		user = os.environ.get(f"AI_ASSISTANT_{prefix}USER", default)
		known = USERS.get(user, {})
		password = os.environ.get(f"AI_ASSISTANT_{prefix}PASSWORD") or str(known.get("password"))
		return Account(user, password, os.environ.get(f"AI_ASSISTANT_{prefix}TOKEN"))

	first, second, third, spender = USERS
	return Site(
		url.rstrip("/"),
		os.environ.get("AI_ASSISTANT_SOCKETIO_URL", url).rstrip("/"),
		os.environ["AI_ASSISTANT_SITE"],
		account("", first),
		account("SECOND_", second),
		account("THIRD_", third),
		account("SPENDER_", spender),
	)


class StandaloneSite:
	"""A standalone site in a process of its own, on a free port of loopback; `with` starts and stops it."""

	def __init__(self, folder: Path, config: dict[str, Any], module: str = "ai_assistant.cli") -> None:
		self._module = module
		self.checkout = CHECKOUT
		self.folder = folder
		self.config_file = folder / "site_config.json"
		self.data = folder / "data"
		self.log_file = self.data / "logs" / "ai_assistant.log"
		self.stderr: list[str] = []
		self.port = 0
		self.users = {
			name: {**entry, "api_key": f"key{n}", "api_secret": f"secret{n}", "ai_key": f"aik-{n:032}"}
			for n, (name, entry) in enumerate(USERS.items(), start=1)
		}
		self.configure(config)

	def configure(self, config: dict[str, Any]) -> None:
		"""Writes the config file anew: what the site does from its next request on."""
		written = self.config_file.with_suffix(".new")
		written.write_text(json.dumps({"ai_assistant": config, "standalone_users": self.users}))
		written.replace(self.config_file)

	def __enter__(self) -> Site:
		command = ["-m", self._module, "serve", "--port", str(self.port)]
		command += ["--site-config", str(self.config_file), "--data", str(self.data)]
		self._process = subprocess.Popen(
			[sys.executable, *command],
			stderr=subprocess.PIPE,
			text=True,
			# Python looks there first.
			cwd=self.checkout,
			env={**os.environ, "PYTHONUNBUFFERED": "1"},
		)
		self.pid = self._process.pid
		assert self._process.stderr
		for line in self._process.stderr:
			self.stderr.append(line)
			if match := re.search(r"answers at (http://\S+) \(site (\S+)\)", line):
				break
		else:
			raise AssertionError("the site did not start: " + "".join(self.stderr))
		# Read on, or a full pipe would stop the site.
		self._reader = threading.Thread(
			target=lambda pipe: self.stderr.extend(pipe), args=(self._process.stderr,)
		)
		self._reader.start()
		accounts = [
			Account(
				name,
				str(entry["password"]),
				f"{entry['api_key']}:{entry['api_secret']}",
				str(entry.get("ai_key")),
			)
			for name, entry in self.users.items()
			if name in USERS
		]
		return Site(match[1], match[1], match[2], *accounts)

	def __exit__(self, *exc: object) -> None:
		self._process.terminate()
		self._process.wait()
		self._reader.join()
