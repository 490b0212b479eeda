"""The sites of the contract suite, which knows a URL, four users and the scripted provider behind the site."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from ai_assistant.client import Client
from tests.support.openai_client import openai_client
from tests.support.provider import ScriptedProvider
from tests.support.site import PROVIDER_PORT, Site, StandaloneSite, live_site, site_config


@pytest.fixture(scope="session")
def provider() -> Iterator[ScriptedProvider]:
	with ScriptedProvider(PROVIDER_PORT if live_site() else 0) as running:
		yield running


@contextmanager
def running_site(folder: Path, config: dict[str, Any]) -> Iterator[Site]:
	"""Yields the live site, or a standalone site with this configuration in this folder."""
	if live := live_site():
		yield live
		return
	with StandaloneSite(folder, config) as running:
		yield running


@pytest.fixture(scope="session")
def site(provider: ScriptedProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
	with running_site(tmp_path_factory.mktemp("site"), site_config(provider)) as running:
		yield running


@pytest.fixture(scope="session")
def frappe_reads_strictly(site: Site) -> bool:
	"""Whether the site's Frappe refuses a body that is not JSON of RFC 8259 before it calls a method, as 16 does."""
	headers = {"Content-Type": "application/json"}
	request = httpx.post(f"{site.url}/api/method/ping", content='{"x": NaN}', headers=headers)
	assert (request.status_code, request.json().get("exc_type")) in ((200, None), (417, "DataError"))
	return request.status_code == 417


@pytest.fixture
def package(site: Site) -> openai.OpenAI:
	"""OpenAI's own client, as the site's first user."""
	return openai_client(site)


@pytest.fixture
def client(site: Site) -> Iterator[Client]:
	"""The first user, with a socket."""
	with site.client(site.first) as opened:
		opened.connect()
		yield opened


@pytest.fixture
def second(site: Site) -> Iterator[Client]:
	"""The second user, with a socket."""
	with site.client(site.second) as opened:
		opened.connect()
		yield opened
