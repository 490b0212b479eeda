"""A site of each module's own, in a process of its own or in this one."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import Client

from ai_assistant import store
from ai_assistant.chat import capacity
from ai_assistant.standalone import stand_in
from ai_assistant.standalone.site import Site
from ai_assistant.standalone.site_config import SiteConfig
from ai_assistant.standalone.sqlite import Database
from tests.api.conftest import process, provider, site
from tests.support.provider import ScriptedProvider
from tests.support.site import USERS, site_config

__all__ = ["in_process", "process", "provider", "site"]


class InProcess:
	"""A site whose WSGI application is asked without a server, 1 ms a request; what it has stored and published."""

	def __init__(self, folder: Path, config: dict[str, Any]) -> None:
		self.folder = folder
		file = folder / "site_config.json"
		users = {name: {**entry, "api_key": name, "api_secret": "secret"} for name, entry in USERS.items()}
		file.write_text(json.dumps({"ai_assistant": config, "standalone_users": users}))
		self.database = Database(folder / "site.sqlite")
		self.published: list[tuple[str, Any, str]] = []
		self.wsgi = Site("site", SiteConfig(file), self.database, lambda *sent: self.published.append(sent))
		self.client = Client(self.wsgi, use_cookies=False)

	def left(self) -> tuple[int, ...]:
		"""How many requests and events are stored, and how many messages have gone to sockets."""
		((requests, events),) = self.database.read(
			"SELECT (SELECT COUNT(*) FROM request), (SELECT COUNT(*) FROM event)"
		)
		return requests, events, len(self.published)


@pytest.fixture(scope="module")
def in_process(provider: ScriptedProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
	folder = tmp_path_factory.mktemp("site")
	with pytest.MonkeyPatch.context() as patch:
		config = site_config(provider)
		one = config["providers"][0]
		config["providers"] = [one, {**one, "name": "other", "models": ["*"], "priority": 2}]
		patch.setattr(store, "_find", lambda: stand_in.local.store)
		patch.setattr(capacity, "_threads", 200)
		before = stand_in.keep_logs_in(folder)
		try:
			made = InProcess(folder, config)
			with closing(made.database):
				yield made
		finally:
			stand_in.keep_logs_in(before)
			# A response that no test has closed leaves its request there.
			stand_in.destroy()
