"""The contract suite's sites, with deadlines that a browser on a busy machine does not reach."""

from collections.abc import Iterator

import pytest

from tests.contract.conftest import provider, running_site
from tests.support.provider import ScriptedProvider
from tests.support.site import Site, browser_config

__all__ = ["provider", "site"]


@pytest.fixture(scope="session")
def site(provider: ScriptedProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
	with running_site(tmp_path_factory.mktemp("site"), browser_config(provider)) as running:
		yield running
