"""A standalone site goes from the first version to this one, back, and forward again, on one file."""

from pathlib import Path
from typing import Any

import httpx

from tests.support import script
from tests.support.provider import ScriptedProvider
from tests.support.site import Site, StandaloneSite, site_config

from .versions import CHECKOUT, first_version


def chat(site: Site) -> dict[str, Any]:
	with site.client(site.first) as client:
		client.connect()
		answer = client.chat(script({"reasoning": "Hm."}, {"text": "Yes."})).wait()
		assert (answer["status"], answer["response"]) == ("completed", "Yes.")
		return answer


def is_kept(site: Site, answers: list[dict[str, Any]]) -> None:
	with site.client(site.first) as client:
		for answer in answers:
			stored = client.get("get_request", request_id=answer["request_id"])
			assert {key: stored[key] for key in answer} == answer
			events = client.get("get_events", request_id=answer["request_id"])["events"]
			assert [event["seq"] for event in events] == list(range(1, answer["realtime"]["events"] + 1))


def test_what_was_asked_survives_each_step_and_is_counted(tmp_path: Path) -> None:
	first = first_version(tmp_path / "first")
	with ScriptedProvider() as provider:
		config = {**site_config(provider), "metrics": {"token": "t0ken"}}
		for settings in config["providers"]:
			# What it does not know of a provider the first version refuses (docs/deployment.md, Rollback).
			settings.pop("prices", None)
		made = StandaloneSite(tmp_path, config)
		for user in made.users.values():
			# The first version does not know this either.
			del user["ai_key"]
		made.configure(config)
		answers: list[dict[str, Any]] = []
		for version in (first, CHECKOUT, first, CHECKOUT):
			made.checkout = version
			with made as site:
				is_kept(site, answers)
				answers.append(chat(site))
				told = httpx.get(site.method("metrics"), headers={"X-AI-Assistant-Token": "t0ken"}).text
				counted = f'ai_assistant_requests_total{{status="completed"}} {len(answers)}.0' in told
				# The first version has no such method.
				assert counted is (version is CHECKOUT)
