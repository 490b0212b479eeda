from collections.abc import Iterator

import pytest

from ai_assistant.gateway.adapters.litellm import client
from tests.support.provider import ScriptedProvider


def pytest_configure(config: pytest.Config) -> None:
	# The gateway has litellm's warning ignored, but pytest puts its own filters in the place of all others.
	config.addinivalue_line("filterwarnings", "ignore:Pydantic serializer warnings:UserWarning")


@pytest.fixture(scope="session")
def server() -> Iterator[ScriptedProvider]:
	"""All seven families, over real HTTP; and litellm, so that its import counts to no test's deadlines."""
	client.load()
	with ScriptedProvider() as running:
		yield running


@pytest.fixture
def marker(request: pytest.FixtureRequest) -> str:
	"""A text by which a test recognises its own requests at the provider."""
	return request.node.nodeid
