"""What a worker loads before it forks is there in its children, and works in them."""

import subprocess
import sys

from tests.support import script
from tests.support.provider import ScriptedProvider

CHILD = """
import os, sys
from ai_assistant.gateway import Gateway, Provider, Text, preload
preload()
assert "litellm" in sys.modules
if os.fork():
	os.wait()
	sys.exit()
provider = Provider("p", "openai", "key", "scripted", api_base=sys.argv[1])
for chunk in Gateway([provider]).stream_generate([{"role": "user", "content": sys.argv[2]}]):
	if isinstance(chunk, Text):
		print(chunk.text, end="", flush=True)
os._exit(0)
"""


def test_a_child_of_a_process_that_has_preloaded_asks_at_once() -> None:
	with ScriptedProvider() as provider:
		prompt = script({"text": "It "}, {"text": "works."})
		command = [sys.executable, "-W", "error", "-c", CHILD, provider.base("openai"), prompt]
		done = subprocess.run(command, capture_output=True, text=True, timeout=50)
	assert (done.stdout, done.stderr, done.returncode) == ("It works.", "", 0)
