"""Tests which changes of the configuration the settings notice, and that they are not parsed in between."""

import frappe
import pytest

from ai_assistant.config import forms, settings

from .loading import load


def test_what_has_not_changed_is_not_looked_through_again() -> None:
	assert load({"realtime": {"max_delay_ms": 500}}) is load({"realtime": {"max_delay_ms": 500}})
	assert load({"realtime": {"max_delay_ms": 501}}).realtime.max_delay_ms == 501


def test_what_python_takes_for_equal_is_a_change() -> None:
	assert load({"realtime": {"enabled": True}}).realtime.enabled
	assert load({"realtime": {"enabled": 1}}).set_aside


def test_what_the_bench_says_of_its_patience_is_a_change() -> None:
	reloads = []
	for patience in (60, 90):
		frappe.local.conf = {"http_timeout": patience}
		reloads.append(settings.load().timeouts.total_s)
	del frappe.local.conf
	assert reloads == [50, 80]


def test_the_forms_are_read_after_each_change_and_not_in_between(monkeypatch: pytest.MonkeyPatch) -> None:
	read: list[int] = []
	version = 1
	monkeypatch.setattr(forms, "version", lambda: (version,))
	monkeypatch.setattr(forms, "read", lambda: read.append(version) or {"limits": {"max_tokens": version}})
	assert [load({}).limits.max_tokens for _ in range(3)] == [1, 1, 1]
	version = 2
	assert [load({}).limits.max_tokens for _ in range(2)] == [2, 2]
	assert read == [1, 2]
