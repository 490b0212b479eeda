"""A provider and a standalone site for each module of tests."""

from collections.abc import Iterator

import pytest

from tests.support.provider import ScriptedProvider
from tests.support.site import Site, StandaloneSite, site_config


@pytest.fixture(scope="module")
def provider() -> Iterator[ScriptedProvider]:
	with ScriptedProvider() as running:
		yield running


@pytest.fixture(scope="module")
def site(provider: ScriptedProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
	with StandaloneSite(tmp_path_factory.mktemp("site"), site_config(provider)) as running:
		yield running
