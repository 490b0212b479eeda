"""Unmodified SDKs in their newest releases against the standalone site, or a bench. `make test-clients` runs it."""

import functools
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support import script, unique
from tests.support.provider import ScriptedProvider
from tests.support.site import (
	BUDGET_USD,
	CHECKOUT,
	DEAR,
	PROVIDER_PORT,
	Account,
	Site,
	StandaloneSite,
	clients_config,
	live_site,
)
from tests.support.v1 import ask, base, headers

HERE = Path(__file__).parent
CLIENTS = CHECKOUT / "build" / "clients"
NODE = CLIENTS / "node"
SDKS = [
	("python", "chat"),
	("python", "responses"),
	# Responses over a WebSocket.
	("python", "socket"),
	("python", "messages"),
	*(("node", api) for api in ("openai", "responses", "anthropic")),
	*(("node", f"ai-sdk {api}") for api in ("compatible", "openai", "anthropic")),
]
each_sdk = pytest.mark.parametrize(("language", "api"), SDKS)
pytestmark = [
	pytest.mark.skipif(
		not os.environ.get("AI_ASSISTANT_CLIENTS"), reason="left out: `make test-clients` runs it"
	),
	pytest.mark.timeout(180),
]


@pytest.fixture(scope="module")
def provider() -> Iterator[ScriptedProvider]:
	with ScriptedProvider(PROVIDER_PORT if live_site() else 0) as running:
		yield running


@pytest.fixture(scope="module")
def process(provider: ScriptedProvider, tmp_path_factory: pytest.TempPathFactory) -> StandaloneSite | None:
	"""The standalone site; None if there is a bench."""
	if live_site():
		return None
	return StandaloneSite(tmp_path_factory.mktemp("site"), clients_config(provider))


@pytest.fixture(scope="module")
def site(process: StandaloneSite | None) -> Iterator[Site]:
	if process is None:
		live = live_site()
		assert live
		yield live
		return
	with process as running:
		yield running


def key(process: StandaloneSite | None, account: Account) -> str:
	"""The AI Key of a user, who makes one on a bench."""
	return _made(account) if process is None else str(process.users[account.user]["ai_key"])


@functools.cache
def _made(account: Account) -> str:
	live = live_site()
	assert live
	method = "ai_assistant.ai_assistant.doctype.ai_key.ai_key.make"
	answer = httpx.post(
		f"{live.url}/api/method/{method}", json={"label": "Clients"}, headers=headers(account), timeout=30
	)
	return str(answer.json()["message"]["key"])


def run(language: str, api: str, action: str, **fields: Any) -> Any:
	"""The JSON that a client printed; an empty object if it printed nothing."""
	if language == "python":
		name = "sdk_anthropic.py" if api == "messages" else "sdk_openai.py"
		command = [str(CLIENTS / "sdk" / "bin" / "python"), str(HERE / name)]
	else:
		# Node looks for packages beside the file that imports them.
		command = ["node", str(shutil.copy(HERE / "sdks.mjs", NODE))]
	done = subprocess.run(
		[*command, api, action, json.dumps(fields)], capture_output=True, text=True, timeout=120
	)
	assert done.returncode == 0, done.stderr[-4000:]
	# The AI SDK prints a warning before.
	return json.loads(done.stdout.splitlines()[-1])


@each_sdk
def test_it_gets_an_answer(site: Site, process: StandaloneSite | None, language: str, api: str) -> None:
	steps = [{"reasoning": "Hm."}, {"text": "Hello"}, {"text": " 💭 there."}]
	text = run(
		language,
		api,
		"prompt",
		base=base(site),
		key=key(process, site.first),
		model="scripted",
		prompt=script(*steps),
	)
	assert text == "Hello 💭 there."


@each_sdk
@pytest.mark.parametrize("model", ["scripted", "claude-sonnet-4-5"])
def test_it_makes_a_round_trip_with_a_tool(
	site: Site,
	process: StandaloneSite | None,
	provider: ScriptedProvider,
	language: str,
	api: str,
	model: str,
) -> None:
	marker = unique("marker")
	call = {"call": 0, "id": "call_1", "name": "clock", "arguments": '{"zone": "UTC"}'}
	turns = [{"turn": [{"reasoning": "What time?"}, call]}, {"turn": [{"text": f"Noon. {marker}"}]}]
	fields = {
		"base": base(site),
		"key": key(process, site.first),
		"model": model,
		"prompt": script(*turns),
	}
	assert run(language, api, "tools", **fields) == f"Noon. {marker}"
	assert any("noon in UTC" in request.text for request in provider.requests if marker in request.text)


@pytest.mark.parametrize(("language", "api"), [("python", "messages"), ("node", "anthropic")])
def test_anthropics_tool_runner_goes_on_without_a_thread(
	site: Site, process: StandaloneSite | None, provider: ScriptedProvider, language: str, api: str
) -> None:
	marker = unique("marker")
	call = {"call": 0, "id": "call_1", "name": "clock", "arguments": '{"zone": "UTC"}'}
	prompt = script({"turn": [call]}, {"turn": [{"text": f"Noon. {marker}"}]})
	fields = {"base": base(site), "key": key(process, site.first), "model": "scripted", "prompt": prompt}
	assert run(language, api, "runner", **fields) == [f"Noon. {marker}"] * 2
	assert any("noon in UTC" in request.text for request in provider.requests if marker in request.text)


@each_sdk
def test_its_stop_closes_the_providers_connection(
	site: Site, process: StandaloneSite | None, provider: ScriptedProvider, language: str, api: str
) -> None:
	marker = unique("marker")
	prompt = script({"text": "So"}, {"hang": True}, {"note": marker})
	fields = {"base": base(site), "key": key(process, site.first), "model": "scripted", "prompt": prompt}
	assert run(language, api, "stop", **fields) == "stopped"
	assert provider.wait_for(marker).hung_up.wait(20)


@each_sdk
@pytest.mark.parametrize("model", ["nobody-has-this", "scripted"])
def test_it_raises_an_error_that_says_what_is_wrong(
	site: Site, process: StandaloneSite | None, language: str, api: str, model: str
) -> None:
	prompt = script({"text": "So"}, {"error": "scripted"})
	fields = {"base": base(site), "key": key(process, site.first), "model": model, "prompt": prompt}
	raised = run(language, api, "error", **fields)
	assert raised, "no error was raised"
	if model == "scripted":
		assert "scripted" in raised["message"]
	else:
		assert raised["status"] == 404 and "model accepts one of" in raised["message"]


@each_sdk
def test_a_used_up_budget_is_told_once(
	site: Site, process: StandaloneSite | None, provider: ScriptedProvider, language: str, api: str
) -> None:
	usage = {"prompt": BUDGET_USD * 1_000_000 // DEAR, "completion": 0, "reasoning": 0}
	spends = script({"text": "Yes."}, {"finish": "stop", "usage": usage})
	ask(
		site,
		"/chat/completions",
		{"model": "scripted-2", "messages": [{"role": "user", "content": spends}]},
		account=site.spender,
	)
	fields = {
		"base": base(site),
		"key": key(process, site.spender),
		"model": "scripted",
		"prompt": "hello",
	}
	raised = run(language, api, "error", **fields)
	assert raised["status"] == 402 and "budget" in raised["message"]
