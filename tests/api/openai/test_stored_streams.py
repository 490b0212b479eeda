"""Streams of stored responses on a site that keeps little."""

from typing import Any

import pytest

from tests.support import script
from tests.support.provider import ScriptedProvider
from tests.support.site import Site, StandaloneSite, site_config
from tests.support.v1 import ask, events, streaming


@pytest.mark.parametrize(
	"changed", [{"retention": {"keep_content": False}}, {"realtime": {"enabled": False}}]
)
def test_a_stream_whose_events_are_gone_is_refused_and_not_sent_in_part(
	process: StandaloneSite, site: Site, provider: ScriptedProvider, changed: dict[str, Any]
) -> None:
	process.configure({**site_config(provider), **changed})
	body = {"model": "scripted", "input": script({"text": "Hello."}), "store": True}
	with streaming(site, "/responses", body) as response:
		sent = [data for _name, data in events(response)]
	refused = ask(site, f"/responses/{sent[0]['response']['id']}?stream=true&starting_after=2")
	assert refused.status_code == 410
	error = refused.json()["error"]
	assert (error["code"], "starting_after" in error["message"]) == ("not_kept", True)
