"""Modules that a worker loads before it forks are loaded in its children, and work there."""

import os
import socket
import subprocess
import sys

import pytest

from tests.support import script
from tests.support.provider import ScriptedProvider

CHILD = """
import os, sys
from ai_assistant.gateway import Gateway, Provider, Text, preload
provider = Provider("p", sys.argv[3], "key", "scripted", api_base=sys.argv[1])
preload([provider])
assert "aiohttp" in sys.modules
assert ("litellm" in sys.modules) == (sys.argv[3] == "litellm/openai")
if os.fork():
	os.wait()
	sys.exit()
for chunk in Gateway([provider]).stream_generate([{"role": "user", "content": sys.argv[2]}]):
	if isinstance(chunk, Text):
		print(chunk.text, end="", flush=True)
os._exit(0)
"""


@pytest.mark.parametrize("api", ["openai", "litellm/openai"])
def test_a_child_of_a_process_that_has_preloaded_asks_at_once(api: str) -> None:
	with ScriptedProvider() as provider:
		prompt = script({"text": "It "}, {"text": "works."})
		command = [sys.executable, "-W", "error", "-c", CHILD, provider.base("openai"), prompt, api]
		done = subprocess.run(command, capture_output=True, text=True, timeout=50)
	assert (done.stdout, done.stderr, done.returncode) == ("It works.", "", 0)


def test_a_proxy_that_leads_nowhere_keeps_nobody_from_loading() -> None:
	with socket.create_server(("127.0.0.1", 0)) as listener:
		closed = f"http://127.0.0.1:{listener.getsockname()[1]}"
	loaded = "import sys; from ai_assistant.gateway import Provider, preload; preload([Provider('p', 'openai', 'k', 'm')])"
	command = [sys.executable, "-W", "error", "-c", f"{loaded}; assert 'aiohttp' in sys.modules"]
	environment = {**os.environ, "http_proxy": closed, "no_proxy": ""}
	done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=50)
	assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)
