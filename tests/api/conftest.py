"""A site of each module's own, whose files can be looked into while it runs."""

from collections.abc import Iterator

import pytest

from tests.support.provider import ScriptedProvider
from tests.support.site import Site, StandaloneSite, site_config, warm


@pytest.fixture(scope="module")
def provider() -> Iterator[ScriptedProvider]:
	with ScriptedProvider() as running:
		yield running


@pytest.fixture(scope="module")
def process(provider: ScriptedProvider, tmp_path_factory: pytest.TempPathFactory) -> StandaloneSite:
	return StandaloneSite(tmp_path_factory.mktemp("site"), site_config(provider))


@pytest.fixture(scope="module")
def site(process: StandaloneSite) -> Iterator[Site]:
	with process as running:
		warm(running)
		yield running
