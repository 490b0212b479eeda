"""Real sites on loopback, with the methods of `methods.py`."""

import json
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import socketio

from ai_assistant.standalone import stand_in
from ai_assistant.standalone.server import RunningSite, running_site

stand_in.install()

from . import methods

USERS: dict[str, Any] = {
	"ann@example.com": {
		"password": "ann's secret",
		"api_key": "ann-key",
		"api_secret": "ann-secret",
		"ai_key": "aik-ann-ann-ann-ann-ann-ann-ann-ann-ann",
		"roles": ["AI Assistant User"],
	},
	"bob@example.com": {"password": "bob's secret", "api_key": "bob-key", "api_secret": "bob-secret"},
	"web@example.com": {"password": "web's secret", "user_type": "Website User"},
	"Administrator": {"password": "admin's secret"},
}
ANN = {"Authorization": "token ann-key:ann-secret"}
BOB = {"Authorization": "token bob-key:bob-secret"}


class Listener:
	"""A real socket and what has arrived on it."""

	def __init__(
		self, site: RunningSite, headers: dict[str, str], namespace: str, origin: str | None
	) -> None:
		self.got: list[tuple[str, Any]] = []
		self.refusal: Any = None
		self._site = site
		self._news = threading.Condition()
		self._done = threading.Event()
		options = {"suppress_origin": True} if origin is None else {"origin": origin}
		self.client = socketio.Client(reconnection=False, websocket_extra_options=options)
		# engineio handles each message on a thread of its own, and two threads may swap their messages.
		trigger = self.client.eio._trigger_event
		self.client.eio._trigger_event = lambda event, *data, **_how: trigger(event, *data, run_async=False)
		self.client.on("*", self._received, namespace=namespace)
		self.client.on("connect", self._done.set, namespace=namespace)
		self.client.on("connect_error", self._refused, namespace=namespace)
		self._namespace = namespace
		self.client.connect(
			site.url, headers=headers, transports=["websocket"], namespaces=[namespace], wait=False
		)
		assert self._done.wait(10)

	def emit(self, event: str, *data: Any) -> None:
		self.client.emit(event, data, namespace=self._namespace)

	def round_trip(self) -> None:
		"""Returns once the server has handled what was sent before."""
		self.emit("ping")
		self.wait_for(lambda got: ("pong", None) in got)
		self.got.remove(("pong", None))

	def wait_for(self, seen: Any) -> list[tuple[str, Any]]:
		with self._news:
			assert self._news.wait_for(lambda: seen(self.got), 10), self.got
			return list(self.got)

	def messages(self, until: Any) -> list[Any]:
		"""All that came up to the message `until`, without it."""
		got = self.wait_for(lambda got: any(data == until for _event, data in got))
		payloads = [data for _event, data in got]
		return payloads[: payloads.index(until)]

	def _received(self, event: str, data: Any = None) -> None:
		with self._news:
			self.got.append((event, data))
			self._news.notify_all()

	def _refused(self, data: Any) -> None:
		self.refusal = data
		self._done.set()


@pytest.fixture(scope="module", autouse=True)
def api() -> Iterator[None]:
	with pytest.MonkeyPatch.context() as patch:
		patch.setitem(sys.modules, "ai_assistant.api", methods)
		yield


@pytest.fixture(autouse=True)
def gates() -> Iterator[None]:
	methods.entered.clear()
	methods.leave.clear()
	methods.finished.clear()
	yield
	methods.leave.set()


@pytest.fixture(scope="module")
def config_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
	path = tmp_path_factory.mktemp("config") / "site_config.json"
	path.write_text(json.dumps({"standalone_users": USERS}))
	return path


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
	return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def site(config_file: Path, data: Path) -> Iterator[RunningSite]:
	with running_site(site_config=config_file, data=data) as running:
		yield running


@pytest.fixture
def http(site: RunningSite) -> Iterator[httpx.Client]:
	"""A client without a login."""
	with httpx.Client(base_url=site.url, timeout=15) as client:
		yield client


@pytest.fixture
def ann(http: httpx.Client) -> httpx.Client:
	"""A client with ann's sid cookie."""
	log_in(http, "ann@example.com")
	return http


@pytest.fixture
def listen(site: RunningSite) -> Iterator[Any]:
	"""Opens sockets: `listen(headers, namespace=, origin=)`."""
	opened: list[Listener] = []

	def connect(headers: dict[str, str], namespace: str = "/standalone", **how: Any) -> Listener:
		opened.append(Listener(site, headers, namespace, how.get("origin", site.url)))
		return opened[-1]

	yield connect
	for listener in opened:
		listener.client.disconnect()


def log_in(client: httpx.Client, user: str) -> httpx.Response:
	answer = client.post("/api/method/login", data={"usr": user, "pwd": USERS[user]["password"]})
	assert answer.status_code == 200, answer.text
	return answer


def call(client: httpx.Client, method: str, **arguments: Any) -> httpx.Response:
	"""POSTs JSON to one of the test's methods."""
	headers = arguments.pop("headers", {})
	return client.post(f"/api/method/ai_assistant.api.{method}", json=arguments, headers=headers)
