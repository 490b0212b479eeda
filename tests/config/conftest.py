"""A site whose forms are empty: the configuration comes from its file alone."""

import frappe
import pytest

from ai_assistant.config import forms


@pytest.fixture(autouse=True)
def _no_forms(monkeypatch: pytest.MonkeyPatch) -> None:
	monkeypatch.setattr(forms, "read", dict)
	monkeypatch.setattr(forms, "version", tuple)
	monkeypatch.setattr(frappe.local, "site", "s", raising=False)
