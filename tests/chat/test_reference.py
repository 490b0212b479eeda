"""Tests the reference of a request. `ai_assistant/chat/test_reference.py` tests it on a bench, which has documents."""

from typing import Any

import frappe
import pytest

from ai_assistant.chat import lifecycle
from ai_assistant.chat.errors import ChatError
from tests.chat.conftest import ChatSite
from tests.chat.runs import run

BOTH = "reference_doctype and reference_name accept a DocType and a name"


@pytest.mark.parametrize(
	("fields", "message"),
	[
		({"reference_doctype": "Project"}, BOTH),
		({"reference_name": "P-1"}, BOTH),
		({"reference_doctype": ["Project"], "reference_name": "P-1"}, BOTH),
		({"reference_doctype": "Project", "reference_name": 1}, BOTH),
		({"reference_doctype": "Project", "reference_name": "P" * 141}, BOTH),
		({"reference_doctype": "Project", "reference_name": "\ud800"}, BOTH),
		# This site has no documents.
		(
			{"reference_doctype": "Project", "reference_name": "P-1"},
			"reference_name accepts a document that you",
		),
	],
)
def test_a_reference_is_a_document_that_the_user_may_read(
	chat_site: ChatSite, fields: dict[str, Any], message: str
) -> None:
	with pytest.raises(ChatError, match=message) as refused:
		chat_site.request("hello", **fields)
	assert refused.value.code == "invalid_request"


def test_a_reference_is_stored_answered_and_part_of_the_fingerprint(
	chat_site: ChatSite, monkeypatch: pytest.MonkeyPatch
) -> None:
	# The database of a bench ignores case.
	stored = {"Project": "Project", "P-1": "P-1", "p-1": "P-1"}

	def exists(dt: str, dn: dict[str, Any]) -> str | None:
		return stored.get(dn["name"])

	monkeypatch.setattr(frappe.local.db, "exists", exists)
	monkeypatch.setattr(frappe, "has_permission", lambda *_args, **_options: True, raising=False)
	request = chat_site.request("hello", reference_doctype="Project", reference_name="p-1")
	chat = lifecycle.begin(request, chat_site.configure(), 0.0)
	_chunks, answer = run(lifecycle.run(chat))
	row = chat_site.row(request.request_id)
	for fields in (answer, row):
		assert (fields["reference_doctype"], fields["reference_name"]) == ("Project", "P-1")
	assert request.fingerprint != chat_site.request("hello").fingerprint


def test_a_request_without_a_reference_has_no_such_fields(chat_site: ChatSite) -> None:
	chat = lifecycle.begin(chat_site.request("hello"), chat_site.configure(), 0.0)
	_chunks, answer = run(lifecycle.run(chat))
	assert "reference_doctype" not in answer and "reference_name" not in answer
