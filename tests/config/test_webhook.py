"""Tests which webhooks of a configuration are used."""

from typing import Any

import frappe
import pytest

from ai_assistant.config import settings

RIGHT = {"url": "https://example.com/hook?tenant=1", "secret": "whsec_c2VjcmV0"}


@pytest.fixture(autouse=True)
def _conf(monkeypatch: pytest.MonkeyPatch) -> None:
	monkeypatch.setattr(frappe.local, "conf", {}, raising=False)


def webhooks(*values: Any) -> tuple[list[str], list[str]]:
	"""Returns the addresses that are used, and the reasons for the others."""
	loaded = settings.of({}, {"webhooks": list(values)})
	return [webhook.url for webhook in loaded.webhooks], [reason for _name, reason in loaded.set_aside]


def test_a_webhook_is_an_address_and_a_secret() -> None:
	assert webhooks(RIGHT, {**RIGHT, "url": "http://10.0.0.1:8080"}) == (
		[RIGHT["url"], "http://10.0.0.1:8080"],
		[],
	)
	assert "whsec" not in repr(settings.of({}, {"webhooks": [RIGHT]}))


@pytest.mark.parametrize(
	("values", "reason"),
	[
		({"secret": "s"}, "webhooks[0].url accepts a URL"),
		({**RIGHT, "url": "ftp://example.com"}, "webhooks[0].url accepts a URL"),
		({**RIGHT, "url": "https://ann:pw@example.com"}, "webhooks[0].url accepts a URL"),
		({**RIGHT, "url": "https://example.com/#part"}, "webhooks[0].url accepts a URL"),
		({**RIGHT, "url": "/hook"}, "webhooks[0].url accepts a URL"),
		({**RIGHT, "secret": ""}, "webhooks[0].secret accepts a string"),
		({**RIGHT, "secret": None}, "webhooks[0].secret accepts a string"),
		({**RIGHT, "secret": "whsec_ä"}, "webhooks[0].secret accepts a string"),
		({**RIGHT, "method": "GET"}, "webhooks[0].method accepts one of url, secret"),
		("https://example.com", "webhooks[0] accepts an object"),
	],
)
def test_a_wrong_webhook_is_set_aside_and_the_next_is_used(values: Any, reason: str) -> None:
	used, reasons = webhooks(values, {**RIGHT, "url": "https://b.example"})
	assert used == ["https://b.example"]
	assert len(reasons) == 1 and reasons[0].startswith(reason)
	assert "c2VjcmV0" not in reasons[0]


def test_an_address_is_used_once() -> None:
	used, reasons = webhooks(RIGHT, RIGHT)
	assert used == [RIGHT["url"]]
	assert reasons == ["webhooks[1].url accepts an address that no other webhook has."]
