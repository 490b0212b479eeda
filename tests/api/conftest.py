"""A site of each module's own, whose files can be looked into while it runs."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.provider import ScriptedProvider
from tests.support.site import Site, StandaloneSite, site_config


@pytest.fixture(scope="module")
def provider() -> Iterator[ScriptedProvider]:
	with ScriptedProvider() as running:
		yield running


@pytest.fixture(scope="module")
def config(provider: ScriptedProvider) -> dict[str, Any]:
	"""The configuration of the site. A module may override it."""
	return site_config(provider)


@pytest.fixture(scope="module")
def process(config: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> StandaloneSite:
	return StandaloneSite(tmp_path_factory.mktemp("site"), config)


@pytest.fixture(scope="module")
def site(process: StandaloneSite) -> Iterator[Site]:
	with process as running:
		yield running
