"""Tests the page of the standalone site: who gets it, with what in it, and its files."""

import json
import re

import httpx
import pytest

from .conftest import call, log_in


def test_the_page_sends_a_guest_to_the_login(http: httpx.Client) -> None:
	answer = http.get("/")
	assert (answer.status_code, answer.headers["location"]) == (302, "/ai-assistant")
	answer = http.get("/ai-assistant")
	assert (answer.status_code, answer.headers["location"]) == (302, "/login?redirect-to=/ai-assistant")
	login = http.get("/login")
	assert login.status_code == 200
	assert 'name="pwd" type="password"' in login.text


def test_the_page_knows_who_looks_at_it_and_no_secret(ann: httpx.Client) -> None:
	answer = ann.get("/ai-assistant")

	assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
	assert answer.headers["content-type"].startswith("text/html")
	(boot,) = re.findall(r'<script type="application/json" id="boot">(.*?)</script>', answer.text)
	token = json.loads(boot).pop("csrf_token")
	assert json.loads(boot) == {
		"site": "standalone",
		"user": "ann@example.com",
		"csrf_token": token,
		"socketio_port": None,
		"may_use": True,
		"keeps_questions": False,
		"desk": "/app",
		"lang": "en",
		"messages": {},
		"theme": "automatic",
	}
	assert call(ann, "by_post", headers={"X-Frappe-CSRF-Token": token}).status_code == 200


@pytest.mark.parametrize(("theme", "shown"), [("Dark", "dark"), ("Light", "light"), ("", "automatic")])
def test_the_page_has_the_theme_of_its_user(
	ann: httpx.Client, monkeypatch: pytest.MonkeyPatch, theme: str, shown: str
) -> None:
	themes = {("User", "ann@example.com", "desk_theme"): theme}
	monkeypatch.setattr("frappe.get_cached_value", lambda *arguments: themes[arguments])
	assert f'<html lang="en" dir="ltr" data-theme="{shown}">' in ann.get("/ai-assistant").text


@pytest.mark.parametrize("path", ["/ai-assistant", "/ai-assistant/connect"])
def test_a_page_has_the_translations_of_its_scripts_alone(
	ann: httpx.Client, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
	translations = {"Copied": "Kopiert", "A sentence of another app": "Ein Satz"}
	monkeypatch.setattr("ai_assistant.page.get_all_translations", lambda lang: translations)
	(boot,) = re.findall(r'<script type="application/json" id="boot">(.*?)</script>', ann.get(path).text)
	assert json.loads(boot)["messages"] == {"Copied": "Kopiert"}


def test_the_logo_leads_to_desk_where_the_user_has_one(ann: httpx.Client, http: httpx.Client) -> None:
	assert '<a href="/app"' in ann.get("/ai-assistant").text
	log_in(http, "web@example.com")
	refused = http.get("/ai-assistant").text
	assert 'href="/app"' not in refused and "ai_assistant.svg" in refused


def test_the_page_tells_a_user_without_the_role(http: httpx.Client) -> None:
	log_in(http, "bob@example.com")

	answer = http.get("/ai-assistant")

	assert answer.status_code == 403
	assert "bob@example.com may not use the AI Assistant yet: it needs the role" in answer.text
	assert 'id="prompt"' not in answer.text


def test_the_files_of_the_page_are_served_and_no_others(http: httpx.Client) -> None:
	svg = http.get("/assets/ai_assistant/images/ai_assistant.svg")
	assert (svg.status_code, svg.headers["content-type"]) == (200, "image/svg+xml; charset=utf-8")
	again = http.get(svg.request.url, headers={"If-None-Match": svg.headers["etag"]})
	assert (again.status_code, again.content) == (304, b"")
	for path in ("", "images", "nosuch.js", "../hooks.py", "%2e%2e/hooks.py", "..%2fhooks.py", "/etc/passwd"):
		assert http.get(f"/assets/ai_assistant/{path}").status_code == 404
	assert http.get("/assets/frappe/images/ai_assistant.svg").status_code == 404
