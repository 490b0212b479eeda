"""A site without a server for the tests of this folder: SQLite, and a provider that is asked over HTTP."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import frappe
import pytest

from ai_assistant import store
from ai_assistant.chat import request
from ai_assistant.config.settings import Settings, load
from ai_assistant.standalone import stand_in
from ai_assistant.standalone.sqlite import Database, SqliteStore
from tests.support.provider import ScriptedProvider

ANN, BOB = "ann@example.com", "bob@example.com"


@dataclass
class ChatSite:
	"""A site whose session is ANN's."""

	provider: ScriptedProvider
	database: Database
	store: SqliteStore
	sent: list[dict[str, Any]] = field(default_factory=list)
	"""The messages that went to sockets."""

	def configure(self, **sections: Any) -> Settings:
		"""Changes sections of the configuration, and returns all settings."""
		provider = {
			"name": "p",
			"api": "openai",
			"api_base": self.provider.base("openai"),
			"api_key": "k",
			"models": ["m1"],
			"default_model": "m1",
		}
		frappe.local.conf = frappe._dict(ai_assistant={"providers": [provider], **sections})
		return load()

	def request(self, content: str, **fields: Any) -> request.ChatRequest:
		"""Validates a question of the session's user."""
		return request.validate({"messages": [{"role": "user", "content": content}], **fields}, load())

	def row(self, request_id: str, user: str = ANN) -> dict[str, Any]:
		"""Returns a stored request that must exist."""
		row = self.store.get(user, request_id)
		assert row, request_id
		return row


@pytest.fixture(scope="session")
def scripted_provider() -> Iterator[ScriptedProvider]:
	with ScriptedProvider() as provider:
		yield provider


@pytest.fixture
def chat_site(
	scripted_provider: ScriptedProvider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ChatSite]:
	with closing(Database(tmp_path / "site.sqlite")) as database:
		site = ChatSite(scripted_provider, database, SqliteStore(database))
		monkeypatch.setattr(store, "_find", lambda: site.store)

		def emit(_event: str, message: dict[str, Any], _room: str) -> None:
			site.sent.append(message)

		local = {
			"db": stand_in.Transaction(database.commit, database.rollback, emit),
			"session": frappe._dict(user=ANN),
			"site": "s",
		}
		for name, value in local.items():
			monkeypatch.setattr(frappe.local, name, value, raising=False)
		monkeypatch.setattr(frappe.local, "conf", {}, raising=False)
		site.configure()
		yield site
