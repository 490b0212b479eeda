"""The page in a real Chromium: `make test-browser` installs what that needs and runs it. On a bench Desk too."""

import os
from pathlib import Path

import pytest

from tests.js.test_javascript import run_tests
from tests.support.provider import ScriptedProvider
from tests.support.site import Site


@pytest.mark.timeout(420)
@pytest.mark.parametrize("name", ["page", "trouble", "connect", "languages"])
@pytest.mark.skipif(
	not os.environ.get("AI_ASSISTANT_BROWSER"), reason="left out: `make test-browser` runs it"
)
def test_the_page_in_chromium(site: Site, provider: ScriptedProvider, name: str) -> None:
	run_tests(site, provider, Path(__file__).parent / f"{name}.test.mjs", seconds=400)


@pytest.mark.timeout(300)
@pytest.mark.skipif(not os.environ.get("MANAGER_LOGIN"), reason="left out: `make test-bench` runs it")
def test_desk_in_chromium(site: Site, provider: ScriptedProvider) -> None:
	run_tests(site, provider, Path(__file__).parent / "desk.test.mjs", seconds=290)
