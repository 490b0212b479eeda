"""The gateways that `peers` compares: each is started before a provider, and asked in three APIs."""

import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import httpx

from tests.support.site import StandaloneSite
from tests.support.v1 import PATH

from . import asking
from .asking import Ask
from .compare import LIMITS, PROXY, run, started

# The APIs by their paths, as the providers of this site name them.
APIS = {"chat/completions": "openai", "messages": "anthropic", "responses": "openai_responses"}
PORTKEY = Path("build/peers/node_modules/@portkey-ai/gateway/build/start-server.js")
WIRE, OURS, LIMIT = "the wire", "this site", "bare aiohttp"
# The process ids of a gateway, and how it is asked in each API.
Running = tuple[list[int], dict[str, Ask]]
Start = Callable[[str], AbstractContextManager[Running]]


def installed() -> dict[str, Start]:
	"""Returns the gateways that are here, by their names. Each is started with the provider's address."""
	found: dict[str, Start] = {OURS: our_site, LIMIT: bare}
	if PROXY.exists():
		found["LiteLLM's proxy"] = litellm
	if PORTKEY.exists():
		found["Portkey"] = portkey
	return found


@contextmanager
def our_site(base: str) -> Iterator[Running]:
	with tempfile.TemporaryDirectory() as folder:
		providers = [
			{"name": api, "api": api, "api_base": base, "api_key": "k", "models": ["*"], "default_model": "m"}
			for api in APIS.values()
		]
		config = {"providers": providers, "limits": LIMITS, "timeouts": {"first_token_s": 60, "total_s": 110}}
		# As the others: no socket is there that events go to.
		config["realtime"] = {"standard_apis": False}
		process = StandaloneSite(Path(folder), config)
		with process as site:
			key = str(site.first.ai_key)
			headers = {"Authorization": f"Bearer {key}", "x-api-key": key}
			asks = {
				path: run(asking.of_api(site.url + PATH, path, headers, {"model": f"{api}/scripted"}))
				for path, api in APIS.items()
			}
			yield [process.pid], asks


@contextmanager
def bare(base: str) -> Iterator[Running]:
	with started(sys.executable, "-m", "tests.bench.bare_proxy", base) as process:
		assert process.stdout
		url = f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
		yield [process.pid], {path: run(asking.of_api(url, path)) for path in APIS}


@contextmanager
def litellm(base: str) -> Iterator[Running]:
	with tempfile.TemporaryDirectory() as folder:
		config = Path(folder) / "config.yaml"
		models = {"openai": ("openai/m", base), "anthropic": ("anthropic/m", base.removesuffix("/v1"))}
		listed = [
			{"model_name": name, "litellm_params": {"model": model, "api_base": address, "api_key": "k"}}
			for name, (model, address) in models.items()
		]
		config.write_text(json.dumps({"model_list": listed}))
		settings = {
			"LITELLM_LOCAL_MODEL_COST_MAP": "True",
			# It takes equal chunks for a fault and ends the stream.
			"REPEATED_STREAMING_CHUNK_LIMIT": str(10**9),
			"LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",
		}
		command = (str(PROXY.absolute()), "--config", str(config), "--port", "18643", "--host", "127.0.0.1")
		with started(*command, env=settings) as process:
			url = "http://127.0.0.1:18643"
			_wait(f"{url}/health/liveliness")
			of_path = {"messages": "anthropic"}
			yield (
				[process.pid],
				{
					path: run(asking.of_api(f"{url}/v1", path, None, {"model": of_path.get(path, "openai")}))
					for path in APIS
				},
			)


@contextmanager
def portkey(base: str) -> Iterator[Running]:
	command = ("node", str(PORTKEY), "--port=18644", "--headless")
	with started(*command, env={"TRUSTED_CUSTOM_HOSTS": "localhost,127.0.0.1"}) as process:
		_wait("http://127.0.0.1:18644/")
		asks = {}
		for path in APIS:
			provider = "anthropic" if path == "messages" else "openai"
			headers = {"x-portkey-provider": provider, "x-portkey-custom-host": base}
			asks[path] = run(asking.of_api("http://127.0.0.1:18644/v1", path, headers))
		yield [process.pid], asks


def _wait(url: str) -> None:
	until = time.monotonic() + 240
	while True:
		try:
			httpx.get(url, timeout=2)
			return
		except httpx.HTTPError:
			if time.monotonic() > until:
				raise
			time.sleep(0.2)
