"""Who sees the rows of all users."""

from collections.abc import Iterator

import frappe
import pytest

from ai_assistant import keys, permissions
from ai_assistant.api.responses import only_for_monitoring
from ai_assistant.chat.errors import ChatError
from ai_assistant.config import settings
from ai_assistant.permissions import MANAGER


@pytest.fixture(autouse=True)
def _manager(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
	monkeypatch.setattr(frappe.local, "session", frappe._dict(user="chief@example.com"), raising=False)
	monkeypatch.setattr(frappe.local, "request", None, raising=False)
	monkeypatch.setattr(frappe, "get_roles", lambda _user=None: [MANAGER])
	monkeypatch.setattr("ai_assistant.api.responses.load", settings.Settings)
	yield
	keys.use(None)


def test_a_system_manager_sees_all_and_reads_the_figures() -> None:
	assert permissions.sees_all()
	only_for_monitoring()


def test_with_an_ai_key_a_system_manager_sees_their_own() -> None:
	keys.use(keys.Key("abc", "chief@example.com"))
	assert not permissions.sees_all()
	with pytest.raises(ChatError, match="System Manager"):
		only_for_monitoring()
