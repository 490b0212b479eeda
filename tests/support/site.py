"""The site that the contract suite talks to: one that stands, named by the environment, or one started here."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ai_assistant.realtime.client import Client

from .provider import ScriptedProvider

CANARY_KEY = "sk-canary-4f1c9a"
# Where a live site has to look for the suite's provider.
PROVIDER_PORT = 18999

USERS = {
	"first@example.com": {"password": "first-Passw0rd", "roles": ["AI Assistant User"]},
	"second@example.com": {"password": "second-Passw0rd", "roles": ["AI Assistant User"]},
	"third@example.com": {"password": "third-Passw0rd", "roles": [], "user_type": "Website User"},
}


def site_config(provider: ScriptedProvider) -> dict[str, Any]:
	"""What a site has under `ai_assistant` for the suite: providers that are the scripted one, short deadlines."""

	def entry(name: str, family: str, priority: int, model: str = "scripted") -> dict[str, Any]:
		return {
			"name": name,
			"api": family,
			"api_base": provider.base(family),
			"api_key": CANARY_KEY,
			"models": [model, f"{model}-2"],
			"default_model": model,
			"priority": priority,
		}

	return {
		"providers": [
			entry("scripted", "openai", 1),
			entry("claude", "anthropic", 3, "claude-sonnet-4-5"),
		],
		"timeouts": {"first_token_s": 8, "idle_s": 3, "total_s": 12},
		"limits": {"max_messages": 10, "max_chars": 20_000, "max_tokens": 1000},
	}


@dataclass(frozen=True)
class Account:
	user: str
	password: str
	token: str | None = None


@dataclass(frozen=True)
class Site:
	url: str
	socketio_url: str
	name: str
	first: Account
	second: Account
	third: Account
	"""The third user may log in and has no role of the app."""

	def client(self, account: Account, by_token: bool = False) -> Client:
		if by_token:
			return Client(self.url, self.name, self.socketio_url, token=account.token)
		return Client(self.url, self.name, self.socketio_url, user=account.user, password=account.password)

	def method(self, name: str) -> str:
		return f"{self.url}/api/method/ai_assistant.api.{name}"


def live_site() -> Site | None:
	"""The site that AI_ASSISTANT_URL and its companions name, if they do.

	It has `site_config()` under `ai_assistant` in its site_config.json, and three users as in USERS (or as
	AI_ASSISTANT_USER, _SECOND_USER, _THIRD_USER with _PASSWORD each name them).
	"""
	url = os.environ.get("AI_ASSISTANT_URL")
	if not url:
		return None

	def account(prefix: str, default: str) -> Account:
		user = os.environ.get(f"AI_ASSISTANT_{prefix}USER", default)
		known = USERS.get(user, {})
		password = os.environ.get(f"AI_ASSISTANT_{prefix}PASSWORD") or str(known.get("password"))
		return Account(user, password, os.environ.get(f"AI_ASSISTANT_{prefix}TOKEN"))

	first, second, third = USERS
	return Site(
		url.rstrip("/"),
		os.environ.get("AI_ASSISTANT_SOCKETIO_URL", url).rstrip("/"),
		os.environ["AI_ASSISTANT_SITE"],
		account("", first),
		account("SECOND_", second),
		account("THIRD_", third),
	)


@contextmanager
def standalone_site(provider: ScriptedProvider, folder: Path) -> Iterator[Site]:
	"""A standalone site of the suite's own, on a free port of loopback."""
	from ai_assistant.standalone.server import running_site

	users = {
		name: {**entry, "api_key": f"key{n}", "api_secret": f"secret{n}"}
		for n, (name, entry) in enumerate(USERS.items(), start=1)
	}
	config = folder / "site_config.json"
	config.write_text(json.dumps({"ai_assistant": site_config(provider), "standalone_users": users}))
	with running_site(site_config=config, data=folder) as running:
		accounts = [
			Account(name, str(entry["password"]), f"{entry['api_key']}:{entry['api_secret']}")
			for name, entry in users.items()
		]
		yield Site(running.url, running.url, running.name, *accounts)
