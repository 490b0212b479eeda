"""The gateways that `peers` compares: each is started before a provider, and asked in three APIs."""

import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from tests.support.site import StandaloneSite
from tests.support.v1 import PATH

from . import asking
from .asking import Ask
from .compare import LIMITS, PROXY, litellms_proxy, run
from .servers import listening, started, wait_for

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
	with listening("bare_proxy", base) as (pid, url):
		yield [pid], {path: run(asking.of_api(url, path)) for path in APIS}


@contextmanager
def litellm(base: str) -> Iterator[Running]:
	models = {"openai": ("openai/m", base), "anthropic": ("anthropic/m", base.removesuffix("/v1"))}
	with litellms_proxy(models) as (pid, url):
		asks = {}
		for path in APIS:
			model = "anthropic" if path == "messages" else "openai"
			asks[path] = run(asking.of_api(url, path, None, {"model": model}))
		yield [pid], asks


@contextmanager
def portkey(base: str) -> Iterator[Running]:
	command = ("node", str(PORTKEY), "--port=18644", "--headless")
	hosts = {"TRUSTED_CUSTOM_HOSTS": "localhost,127.0.0.1"}
	with started(*command, env=hosts, output=subprocess.DEVNULL) as process:
		wait_for("http://127.0.0.1:18644/")
		asks = {}
		for path in APIS:
			provider = "anthropic" if path == "messages" else "openai"
			headers = {"x-portkey-provider": provider, "x-portkey-custom-host": base}
			asks[path] = run(asking.of_api("http://127.0.0.1:18644/v1", path, headers))
		yield [process.pid], asks
