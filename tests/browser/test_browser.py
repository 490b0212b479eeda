"""The page in a real Chromium: `make test-browser` installs what that needs and runs it. On a bench Desk too."""

import os
from pathlib import Path

import pytest

from tests.contract.conftest import running_site
from tests.js.test_javascript import run_tests
from tests.support.provider import ScriptedProvider
from tests.support.site import Site, browser_config, conversations_config
from tests.tools.test_mcp import TOKEN, Wiki

IN_CHROMIUM = pytest.mark.skipif(
	not os.environ.get("AI_ASSISTANT_BROWSER"), reason="left out: `make test-browser` runs it"
)


@pytest.mark.timeout(420)
@pytest.mark.parametrize("name", ["page", "rendering", "realtime", "trouble", "connect", "languages"])
@IN_CHROMIUM
def test_the_page_in_chromium(site: Site, provider: ScriptedProvider, name: str) -> None:
	run_tests(site, provider, Path(__file__).parent / f"{name}.test.mjs", seconds=400)


@pytest.mark.timeout(300)
@IN_CHROMIUM
@pytest.mark.skipif(
	bool(os.environ.get("AI_ASSISTANT_URL")) and not os.environ.get("AI_ASSISTANT_KEEPS_QUESTIONS"),
	reason="left out: the site that stands keeps no questions",
)
def test_the_conversations_in_chromium(provider: ScriptedProvider, tmp_path: Path) -> None:
	with running_site(tmp_path, conversations_config(provider)) as site:
		run_tests(site, provider, Path(__file__).parent / "conversations.test.mjs", seconds=290)


@pytest.mark.timeout(300)
@IN_CHROMIUM
@pytest.mark.skipif(
	bool(os.environ.get("AI_ASSISTANT_URL")), reason="left out: the site that stands has no MCP server"
)
def test_approval_in_chromium(provider: ScriptedProvider, tmp_path: Path) -> None:
	with Wiki() as wiki:
		config = browser_config(provider) | {
			"modes": [{"name": "chat", "tools": ["wiki"]}],
			"mcp_servers": [{"name": "wiki", "url": wiki.url, "token": TOKEN}],
		}
		with running_site(tmp_path, config) as site:
			run_tests(site, provider, Path(__file__).parent / "approval.test.mjs", seconds=290)
	# Only the call that the user approves has run.
	assert wiki.pages == ["whales"]


@pytest.mark.timeout(300)
@pytest.mark.skipif(not os.environ.get("MANAGER_LOGIN"), reason="left out: `make test-bench` runs it")
def test_desk_in_chromium(site: Site, provider: ScriptedProvider, monkeypatch: pytest.MonkeyPatch) -> None:
	models = [{"id": "scripted", "context_length": 4096}, {"id": "scripted-large", "context_length": 8192}]
	monkeypatch.setattr(provider, "models", {"data": models})
	run_tests(site, provider, Path(__file__).parent / "desk.test.mjs", seconds=290)
