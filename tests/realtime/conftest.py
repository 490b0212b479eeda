"""A site whose store records the calls and fails on request, and the publisher of a request."""

from collections.abc import Iterator
from types import SimpleNamespace

import frappe
import pytest

from ai_assistant import store
from ai_assistant.realtime import outbox, transcript
from ai_assistant.realtime import publisher as publishing
from ai_assistant.realtime.publisher import Publisher
from tests.support.fake_site import FakeSite


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeSite]:
	made = FakeSite()
	monkeypatch.setattr(store, "_find", lambda: made)
	frappe.local.db, frappe.local.conf = made, {}
	yield made
	del frappe.local.db, frappe.local.conf


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
	"""The publisher's, which stands at `now`."""
	made = SimpleNamespace(now=100.0)
	stopped = SimpleNamespace(monotonic=lambda: made.now, time=lambda: 1e9 + made.now)
	for module in (publishing, outbox, transcript):
		monkeypatch.setattr(module, "time", stopped)
	monkeypatch.setattr(FakeSite, "now", lambda _self: stopped.time())
	return made


def publisher(enabled: bool = True, keep_content: bool = True, tools: bool = False) -> Publisher:
	return Publisher("row", "a@example.com", "t", "r-1234567", 1.0, enabled, keep_content, tools)
