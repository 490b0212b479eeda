"""Fixtures of the tests of operations."""

from typing import Any

from tests.api.conftest import config, process, provider, site
from tests.support.provider import ScriptedProvider
from tests.support.site import site_config

__all__ = ["config", "config_for", "process", "provider", "site"]


def config_for(provider: ScriptedProvider) -> dict[str, Any]:
	"""The suite's, with deadlines that a machine with much else to do keeps."""
	return {**site_config(provider), "timeouts": {"first_token_s": 40, "idle_s": 40, "total_s": 50}}
