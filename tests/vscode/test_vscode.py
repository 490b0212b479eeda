"""A real VS Code (code-server) in Chromium, whose native Chat asks the standalone site. `make test-vscode` runs it."""

import json
import os
import socket
import subprocess
import time
import urllib.request
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.js.test_javascript import environment
from tests.support.provider import ScriptedProvider
from tests.support.site import CHECKOUT, Site, StandaloneSite, browser_config

HERE = Path(__file__).parent
SHOTS = CHECKOUT / "build" / "vscode"
MODEL_NAME = "Site's model"
MANIFEST = """<?xml version="1.0" encoding="utf-8"?>
<PackageManifest Version="2.0.0" xmlns="http://schemas.microsoft.com/developer/vsx-schema/2011">
<Metadata><Identity Language="en-US" Id="ai-assistant-example" Version="0.1.0" Publisher="ai-assistant"/></Metadata>
<Installation><InstallationTarget Id="Microsoft.VisualStudio.Code"/></Installation>
<Assets><Asset Type="Microsoft.VisualStudio.Code.Manifest" Path="extension/package.json" Addressable="true"/></Assets>
</PackageManifest>
"""
SETTINGS = {
	"workbench.startupEditor": "none",
	# Titles and progress messages are asked of the same model.
	"chat.byokUtilityModelDefault": "mainAgent",
	"telemetry.telemetryLevel": "off",
	"extensions.autoCheckUpdates": False,
	"security.workspace.trust.enabled": False,
}
pytestmark = pytest.mark.skipif(
	not os.environ.get("AI_ASSISTANT_VSCODE"), reason="left out: `make test-vscode` runs it"
)


def config(provider: ScriptedProvider, **budgets: int) -> dict[str, Any]:
	"""The site's configuration, with room for the 40 tools that VS Code sends."""
	made = browser_config(provider)
	made["limits"].update(max_messages=1000, max_chars=1_000_000, max_tokens=32_000)
	return {**made, "budgets": budgets}


def environment_of_vscode(folder: Path) -> dict[str, str]:
	"""Returns an environment with the Node that code-server needs, and a home of its own."""
	node = HERE / "node_modules" / "node" / "bin"
	return {**os.environ, "HOME": str(folder / "home"), "PATH": f"{node}:{os.environ['PATH']}"}


@contextmanager
def code_server(site: Site, folder: Path, settings: dict[str, str] | None = None) -> Iterator[dict[str, str]]:
	"""A VS Code that knows one model, the site's; gives what its tests need to know."""
	workspace = folder / "workspace"
	user = folder / "data" / "User"
	for path in (workspace, user, folder / "home", SHOTS):
		path.mkdir(parents=True, exist_ok=True)
	(workspace / "lighthouse.txt").write_text("the-lamp-is-green-7731\n")
	model = {
		"id": "scripted",
		"name": MODEL_NAME,
		"url": f"{site.url}/api/method/ai_assistant.v1/chat/completions",
		"requestHeaders": {"Authorization": f"token {site.first.token}"},
		"toolCalling": True,
		"vision": True,
		"thinking": True,
		"maxInputTokens": 128_000,
		"maxOutputTokens": 16_000,
	}
	endpoint = {
		"name": "Frappe",
		"vendor": "customendpoint",
		"apiType": "chat-completions",
		"models": [model],
	}
	(user / "chatLanguageModels.json").write_text(json.dumps([endpoint]))
	(user / "settings.json").write_text(json.dumps({**SETTINGS, **(settings or {})}))
	(folder / "config.yaml").write_text("")
	with socket.socket() as free:
		free.bind(("127.0.0.1", 0))
		port = free.getsockname()[1]
	command = [
		*(HERE / "node_modules" / ".bin" / "code-server", "--config", folder / "config.yaml"),
		*("--auth", "none", "--bind-addr", f"127.0.0.1:{port}", "--user-data-dir", folder / "data"),
		*("--extensions-dir", folder / "extensions", "--disable-telemetry", "--disable-update-check"),
	]
	with (folder / "code-server.log").open("w") as log:
		process = subprocess.Popen(
			command, env=environment_of_vscode(folder), stdout=log, stderr=log, start_new_session=True
		)
	try:
		until = time.monotonic() + 60
		while not _answers(f"http://127.0.0.1:{port}/healthz"):
			assert process.poll() is None and time.monotonic() < until, (
				folder / "code-server.log"
			).read_text()
			time.sleep(0.2)
		yield {
			"VSCODE_URL": f"http://127.0.0.1:{port}/?folder={workspace}",
			"VSCODE_PROFILE": str(folder / "profile"),
			"WORKSPACE": str(workspace),
			"SHOTS": str(SHOTS),
			"MODEL_NAME": MODEL_NAME,
		}
	finally:
		# The extension hosts are processes of the same session.
		os.killpg(process.pid, 15)
		process.wait()


def _answers(url: str) -> bool:
	try:
		with urllib.request.urlopen(url, timeout=1):
			return True
	except OSError:
		return False


def run(name: str, variables: dict[str, str]) -> None:
	command = [
		"node",
		"--test",
		"--test-timeout=240000",
		"--test-reporter=spec",
		str(HERE / f"{name}.test.mjs"),
	]
	done = subprocess.run(command, cwd=HERE, env=variables, capture_output=True, text=True)
	assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
	print(done.stdout)


@pytest.mark.timeout(600)
def test_the_example_extension_shows_the_thinking_and_offers_the_models(tmp_path: Path) -> None:
	example = CHECKOUT / "examples" / "vscode"
	subprocess.run(["npm", "run", "--silent", "extension"], cwd=CHECKOUT, check=True)
	folder = tmp_path / "vscode"
	package = tmp_path / "example.vsix"
	with zipfile.ZipFile(package, "w") as archive:
		archive.writestr("extension.vsixmanifest", MANIFEST)
		archive.write(example / "package.json", "extension/package.json")
		archive.write(example / "dist" / "extension.cjs", "extension/dist/extension.cjs")
	command = [HERE / "node_modules" / ".bin" / "code-server", "--extensions-dir", folder / "extensions"]
	command += ["--user-data-dir", folder / "data", "--install-extension", package]
	subprocess.run(command, check=True, env=environment_of_vscode(folder), capture_output=True)
	with ScriptedProvider() as provider, StandaloneSite(tmp_path, config(provider)) as site:
		user = {"aiAssistant.url": site.url, "aiAssistant.site": site.name}
		with code_server(site, folder, user) as vscode:
			run("extension", {**environment(site, provider), **vscode})


@pytest.mark.timeout(600)
def test_vs_code_chats_with_the_site(tmp_path: Path) -> None:
	with ScriptedProvider() as provider:
		standalone = StandaloneSite(tmp_path, config(provider))
		with standalone as site, code_server(site, tmp_path / "vscode") as vscode:
			variables = {**environment(site, provider), **vscode}
			run("chat", variables)
			standalone.configure(config(provider, user_tokens_per_day=1))
			run("budget", variables)
