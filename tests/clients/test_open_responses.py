"""Open Responses' compliance suite asks the standalone site, or a bench. `make test-open-responses` runs it.

The suite has no package. A developer has a checkout of its public repository, and nothing of it is in this one.
"""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.provider import ReceivedRequest, ScriptedProvider
from tests.support.scripts import ANSWERS, script_of
from tests.support.site import CHECKOUT, PROVIDER_PORT, Site, StandaloneSite, live_site
from tests.support.v1 import base
from tests.support.wire import Step

from .test_sdks import key, process, site

__all__ = ["process", "site"]

SUITE = os.environ.get("AI_ASSISTANT_OPEN_RESPONSES", "")
# Bun, with which the suite's own script runs, and the one package that this script needs.
PACKAGES = CHECKOUT / "build" / "open-responses" / "node_modules"
pytestmark = [
	pytest.mark.skipif(not SUITE, reason="left out: `make test-open-responses` runs it"),
	pytest.mark.timeout(300),
]


@pytest.fixture(scope="module")
def provider() -> Iterator[ScriptedProvider]:
	with ScriptedProvider(PROVIDER_PORT if live_site() else 0, plan) as running:
		yield running


def plan(request: ReceivedRequest) -> list[Step]:
	"""Returns the steps of a model that calls the first tool it is offered, once."""
	tools = request.body.get("tools")
	if not tools or any(answer in request.text for answer in ANSWERS):
		return script_of(request.body)
	arguments = json.dumps({"location": "San Francisco, CA"})
	return [{"call": 0, "id": "call_1", "name": tools[0]["function"]["name"], "arguments": arguments}]


def test_the_suite_passes(
	site: Site, process: StandaloneSite | None, capfd: pytest.CaptureFixture[str]
) -> None:
	command = [str(PACKAGES / ".bin" / "bun"), "--no-install", "run", "bin/compliance-test.ts"]
	with capfd.disabled():
		print(f"\n→ the suite in {SUITE} asks {base(site)}", flush=True)
		done = subprocess.run(
			[*command, "--base-url", base(site), "--model", "scripted", "--verbose"],
			cwd=Path(SUITE),
			env={**os.environ, "OPENRESPONSES_API_KEY": key(process, site.first), "NODE_PATH": str(PACKAGES)},
		)
	assert done.returncode == 0, f"the suite ended with {done.returncode}; it says why above"
