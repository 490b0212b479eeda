"""An agent of many rounds before a server that caches prompts: what is read from the cache, and what is booked."""

import pytest

from tests.bench import agent


@pytest.mark.parametrize("api", agent.PRICES)
def test_an_agent_reads_its_prompt_from_the_cache_and_pays_what_it_costs(api: str) -> None:
	read, off = agent.run(api)
	assert read >= 85
	assert off <= 1
