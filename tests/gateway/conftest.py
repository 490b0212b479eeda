import logging
from collections.abc import Iterator

import pytest

from tests.support.provider import ScriptedProvider


@pytest.fixture(scope="session")
def server() -> Iterator[ScriptedProvider]:
	"""All seven families, over real HTTP."""
	with ScriptedProvider() as running:
		yield running


@pytest.fixture
def marker(request: pytest.FixtureRequest) -> str:
	"""What a test writes into its messages to find its own requests at the provider again."""
	return request.node.nodeid
