"""`ai-assistant doctor` on a standalone site: each fault is caused, and the doctor names only that fault."""

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from werkzeug.local import release_local

from ai_assistant.cli.program import main
from ai_assistant.client import Client
from ai_assistant.gateway import Provider
from ai_assistant.gateway.failures import failure
from ai_assistant.operations.doctor.check import Check, CheckResult, run_checks
from ai_assistant.operations.doctor.providers import remedy
from ai_assistant.operations.doctor.remote_checks import of_site
from ai_assistant.standalone import stand_in
from ai_assistant.standalone.checks import of_config
from tests.operations.conftest import config_for
from tests.support.processes import command_line
from tests.support.provider import WRONG_KEY, ScriptedProvider
from tests.support.site import Account, Site, StandaloneSite

ALL = ["web server", "login", "provider scripted", "provider claude", "realtime server", "event"]


@pytest.fixture(scope="module")
def config(provider: ScriptedProvider) -> dict[str, Any]:
	return config_for(provider)


@pytest.fixture
def site(site: Site, process: StandaloneSite, config: dict[str, Any]) -> Iterator[Site]:
	"""The site. Its configuration is restored afterwards."""
	yield site
	process.configure(config)


def checked(checks: list[Check]) -> dict[str, CheckResult]:
	"""The results by their names."""
	results = {result.name: result for result in run_checks(checks)}
	assert WRONG_KEY not in str(results)
	return results


def doctor(
	site: Site, by: Account | None = None, url: str | None = None, socketio_url: str | None = None
) -> dict[str, CheckResult]:
	"""The results of checking a site at an address, as one of its users."""
	url, socketio_url = url or site.url, socketio_url or url or site.url
	token = (by or site.first).token
	return checked(of_site(url, socketio_url, lambda: Client(url, site.name, socketio_url, token=token)))


def wrong(findings: dict[str, CheckResult]) -> list[str]:
	return [name for name, result in findings.items() if result.ok is False]


def skipped(findings: dict[str, CheckResult]) -> list[str]:
	return [name for name, result in findings.items() if result.ok is None]


@pytest.fixture(scope="module")
def closed() -> str:
	"""An address at which nothing answers."""
	with socket.create_server(("127.0.0.1", 0)) as listener:
		return f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_a_site_that_is_well(site: Site) -> None:
	findings = doctor(site)
	assert (list(findings), wrong(findings), skipped(findings)) == (ALL, [], []), findings
	assert "through a socket after" in findings["event"].finding


def test_for_people_it_says_a_line_a_check(site: Site) -> None:
	done = command_line(
		"doctor", "--url", site.url, "--site", site.name, "--token", "wrong:token", "--socketio-url", site.url
	)
	lines = done.stdout.splitlines()
	assert done.returncode == 1
	assert [line.partition(":")[0] for line in lines] == [
		"✓ web server",
		"✗ login",
		"✓ realtime server",
		"· event",
	]
	assert "→ See --user and --password, or --token" in lines[1]


def test_no_site(site: Site, closed: str) -> None:
	findings = doctor(site, url=closed)
	assert (wrong(findings), skipped(findings)) == (["web server"], ["login", "realtime server", "event"])


def test_something_else_than_a_site(site: Site, provider: ScriptedProvider) -> None:
	findings = doctor(site, url=f"http://127.0.0.1:{provider.port}/count/nothing?")
	assert wrong(findings) == ["web server"]
	assert "no Frappe site answers" in findings["web server"].finding


def test_a_user_without_the_role(site: Site) -> None:
	findings = doctor(site, by=site.third)
	assert (wrong(findings), skipped(findings)) == (["login"], ["event"])
	assert "AI Assistant User" in findings["login"].remedy


def test_no_realtime_server(site: Site, closed: str) -> None:
	findings = doctor(site, socketio_url=closed)
	assert (wrong(findings), skipped(findings)) == (["realtime server"], ["event"])


def test_a_wrong_origin(site: Site) -> None:
	# The same site by another name than its realtime server is asked by.
	findings = doctor(site, socketio_url=site.url, url=site.url.replace("127.0.0.1", "localhost"))
	assert (wrong(findings), skipped(findings)) == (["event"], [])
	assert "refuses the Origin http://localhost" in findings["event"].finding
	assert "host_name" in findings["event"].remedy


def test_a_wrong_key(site: Site, process: StandaloneSite, provider: ScriptedProvider) -> None:
	config = config_for(provider)
	config["providers"][1]["api_key"] = WRONG_KEY
	process.configure(config)
	findings = doctor(site)
	assert (wrong(findings), skipped(findings)) == (["provider claude"], [])
	assert "provider_auth" in findings["provider claude"].finding


def test_an_account_without_credit() -> None:
	provider = Provider("claude", "anthropic", "-", "m")
	assert "credit" in remedy(failure({"provider": "claude", "model": "m"}, 402), provider)
	assert "API Base" in remedy(failure({"provider": "claude", "model": "m"}, 503), provider)


def test_an_unreachable_provider(
	site: Site, process: StandaloneSite, provider: ScriptedProvider, closed: str
) -> None:
	config = config_for(provider)
	config["providers"][0]["api_base"] = closed
	process.configure(config)
	findings = doctor(site)
	assert (wrong(findings), skipped(findings)) == (["provider scripted"], [])
	assert "provider_unavailable" in findings["provider scripted"].finding


def test_events_that_are_switched_off(
	site: Site, process: StandaloneSite, provider: ScriptedProvider
) -> None:
	process.configure({**config_for(provider), "realtime": {"enabled": False}})
	findings = doctor(site)
	assert wrong(findings) == []
	assert findings["event"].finding == "realtime is switched off on this site"


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Callable[[dict[str, Any]], dict[str, CheckResult]]]:
	"""Check a file with this configuration."""

	def look(config: dict[str, Any]) -> dict[str, CheckResult]:
		path = tmp_path / "site_config.json"
		path.write_text(json.dumps({"ai_assistant": config}))
		return checked(of_config(path))

	yield look
	release_local(stand_in.local)


Look = Callable[[dict[str, Any]], dict[str, CheckResult]]


def test_a_configuration_file_and_its_providers(file: Look, provider: ScriptedProvider, closed: str) -> None:
	config = config_for(provider)
	findings = file(config)
	assert (list(findings), wrong(findings)) == (
		["configuration", "provider scripted", "provider claude"],
		[],
	)
	config["providers"][0]["api_key"] = WRONG_KEY
	config["providers"][1]["api_base"] = closed
	findings = file(config)
	assert wrong(findings) == ["provider scripted", "provider claude"]
	assert "refused its API key" in findings["provider scripted"].finding
	assert "Enter its API key anew" in findings["provider scripted"].remedy
	assert "could not be reached" in findings["provider claude"].finding
	assert closed in findings["provider claude"].remedy


@pytest.mark.parametrize(
	("change", "expected"),
	[
		({"providers": []}, "no provider is configured"),
		({"budgets": {"user_token_per_day": 1}}, "budgets.user_token_per_day"),
		({"providers": [{"name": "x"}]}, "x: api accepts a string"),
	],
)
def test_a_configuration_that_is_wrong(
	file: Look, provider: ScriptedProvider, change: dict[str, Any], expected: str
) -> None:
	findings = file({**config_for(provider), **change})
	assert (list(findings), wrong(findings)) == (["configuration"], ["configuration"])
	assert expected in findings["configuration"].finding


def test_what_is_set_aside_is_named_and_the_rest_is_looked_at(file: Look, provider: ScriptedProvider) -> None:
	config = config_for(provider)
	findings = file(
		{
			**config,
			"limits": {"max_messages": 0},
			"providers": [{"name": "x", "api": "openai", "default_model": "m"}, *config["providers"]],
		}
	)
	assert wrong(findings) == ["x", "limits"]
	assert findings["x"].finding == "not used: api_key accepts a string that is not empty."
	assert findings["limits"].finding == "not used: limits.max_messages accepts a whole number from 1."
	assert findings["configuration"].ok and findings[f"provider {config['providers'][0]['name']}"].ok


def test_the_command_exits_with_1_where_something_is_wrong(file: Look, tmp_path: Path) -> None:
	written = tmp_path / "site_config.json"
	written.write_text("{}")
	done = CliRunner().invoke(main, ["doctor", "--json", "--site-config", str(written)])
	assert done.exit_code == 1
	line = json.loads(done.output)
	assert (line["name"], line["ok"], line["seen"]) == (
		"configuration",
		False,
		"no provider is configured",
	)
	assert line["remedy"]


@pytest.mark.parametrize(
	("arguments", "code", "expected"),
	[
		(["doctor"], 2, "--url"),
		(["doctor", "--site-config", "/no/such/file"], 2, "does not exist"),
		(["doctor", "--url", "http://127.0.0.1:9"], 2, "--token"),
		(["doctor", "--url", "http://[::1", "--token", "a:b"], 1, "--url accepts"),
		(["smoke"], 2, "--url"),
		(["smoke", "--url", "http://127.0.0.1:9", "--token", "a:b"], 1, "does not answer"),
		(["watch"], 2, "--url"),
		(["watch", "--url", "http://127.0.0.1:9", "--token", "a:b"], 1, "does not answer"),
	],
)
def test_what_a_person_can_mend_is_said_in_a_line(arguments: list[str], code: int, expected: str) -> None:
	done = CliRunner().invoke(main, arguments)
	assert (done.exit_code, done.output.count("Traceback")) == (code, 0)
	assert expected in done.output
