"""The whole server: starting, stopping, and what it does to requests that are under way."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import uvicorn

from ai_assistant import store
from ai_assistant.standalone import server
from ai_assistant.standalone.server import running_site
from ai_assistant.standalone.site_config import BadSiteConfig
from ai_assistant.standalone.workers import Workers

from . import methods
from .conftest import ANN, USERS, call

ROOT = Path(__file__).parents[2]


@pytest.fixture
def config(tmp_path: Path) -> Path:
	path = tmp_path / "site_config.json"
	path.write_text(json.dumps({"standalone_users": USERS}))
	return path


def test_a_site_without_a_config_has_an_administrator_who_can_log_in(tmp_path: Path) -> None:
	with running_site(data=tmp_path) as site, httpx.Client(base_url=site.url) as http:
		[(name, user)] = site.users.items()
		answer = http.post("/api/method/login", data={"usr": name, "pwd": user.password})
		assert answer.json()["full_name"] == "Administrator"
		assert "System Manager" in call(http, "roles").json()["message"]


def test_a_site_that_has_ended_answers_no_more_and_can_be_started_again(tmp_path: Path, config: Path) -> None:
	for _ in range(2):
		with running_site(site_config=config, data=tmp_path) as site:
			assert httpx.get(f"{site.url}/api/method/ping").json() == {"message": "pong"}
			assert not site.ended.is_set()
		assert site.ended.is_set()
		with pytest.raises(httpx.ConnectError):
			httpx.get(f"{site.url}/api/method/ping")


def test_sessions_and_rows_outlive_the_site(tmp_path: Path, config: Path) -> None:
	with running_site(site_config=config, data=tmp_path) as site, httpx.Client(base_url=site.url) as http:
		http.post("/api/method/login", data={"usr": "ann@example.com", "pwd": "ann's secret"})
		call(http, "keep", request_id="r1")
		sid = http.cookies["sid"]
	with running_site(site_config=config, data=tmp_path) as site:
		cookies = {"sid": sid}
		answer = httpx.get(f"{site.url}/api/method/ai_assistant.api.is_stored?request_id=r1", cookies=cookies)
		assert answer.json() == {"message": True}


def test_each_of_two_sites_has_its_own_rows(tmp_path: Path, config: Path) -> None:
	def rows(url: str, method: str) -> Any:
		answer = httpx.post(
			f"{url}/api/method/ai_assistant.api.{method}", json={"request_id": "r1"}, headers=ANN
		)
		return answer.json()["message"]

	with running_site(site_config=config, data=tmp_path / "first") as first:
		with running_site(site_config=config, data=tmp_path / "second") as second:
			assert rows(second.url, "keep") == "kept"
			assert (rows(first.url, "is_stored"), rows(second.url, "is_stored")) == (False, True)
			assert second.store.get("ann@example.com", "r1")
		assert rows(first.url, "keep") == "kept"
		with httpx.Client(base_url=first.url) as http:
			call(http, "log", text="still here", headers=ANN)
		assert "still here" in (tmp_path / "first" / "logs" / "room.log").read_text()


def test_outside_a_request_there_is_no_store(tmp_path: Path) -> None:
	with running_site(data=tmp_path), pytest.raises(AttributeError):
		store.current().get("ann", "r1")


def test_what_the_site_keeps_is_its_users_own(tmp_path: Path) -> None:
	with running_site(data=tmp_path / "made" / "here"):
		assert (tmp_path / "made" / "here").stat().st_mode & 0o077 == 0


def test_the_folder_is_in_the_users_state_folder_unless_one_is_given(
	tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
	monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
	with running_site():
		assert (tmp_path / "ai_assistant" / "standalone" / "0" / "site.sqlite").exists()
	monkeypatch.delenv("XDG_STATE_HOME")
	monkeypatch.setenv("HOME", "/home/ann")
	assert server._state_folder(8000) == Path("/home/ann/.local/state/ai_assistant/standalone/8000")


def test_a_port_that_is_taken_and_a_config_that_cannot_be_used_are_told(tmp_path: Path) -> None:
	with socket.create_server(("127.0.0.1", 0)) as taken:
		with pytest.raises(OSError), running_site(port=taken.getsockname()[1], data=tmp_path):
			pass
	with pytest.raises(BadSiteConfig), running_site(site_config=tmp_path / "nosuch", data=tmp_path):
		pass


def test_a_site_on_all_addresses_is_reached_by_loopback(tmp_path: Path) -> None:
	with running_site("0.0.0.0", data=tmp_path) as site:
		assert site.url.startswith("http://127.0.0.1:")
		assert httpx.get(f"{site.url}/api/method/ping").status_code == 200


def test_an_answer_does_not_wait_for_the_clients_acknowledgement() -> None:
	with server._listener("127.0.0.1", 0) as listener:
		with socket.create_connection(listener.getsockname()):
			accepted, _address = listener.accept()
			with accepted:
				assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_the_site_keeps_connections_longer_than_its_clients(
	tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
	made: list[uvicorn.Config] = []

	def config(*args: Any, **options: Any) -> uvicorn.Config:
		made.append(uvicorn.Config(*args, **options))
		return made[-1]

	monkeypatch.setattr(server, "uvicorn", SimpleNamespace(Config=config, Server=uvicorn.Server))
	with running_site(data=tmp_path) as site:
		assert httpx.get(f"{site.url}/api/method/ping").status_code == 200
	kept_by_httpx = httpx.Limits().keepalive_expiry or 0
	kept_by_nginx = 60
	assert made[0].timeout_keep_alive > max(kept_by_httpx, kept_by_nginx)


def test_a_request_under_way_is_answered_before_the_site_ends(tmp_path: Path, config: Path) -> None:
	def let_it_go_once_the_site_listens_no_more(url: str) -> None:
		with suppress(httpx.TransportError):
			while True:
				httpx.get(url)
		methods.leave.set()

	with ThreadPoolExecutor(2) as threads, httpx.Client(timeout=15) as http:
		with running_site(site_config=config, data=tmp_path) as site:
			http.base_url = site.url
			answer = threads.submit(call, http, "wait", request_id="r1", headers=ANN)
			assert methods.entered.wait(10)
			threads.submit(let_it_go_once_the_site_listens_no_more, site.url)
		assert answer.result(10).json() == {"message": "waited"}


def test_a_request_that_does_not_end_does_not_keep_the_site_alive(
	tmp_path: Path, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
	monkeypatch.setattr(server, "GRACE_S", 0)
	with ThreadPoolExecutor(1) as thread, httpx.Client(timeout=15) as http:
		with running_site(site_config=config, data=tmp_path) as site:
			http.base_url = site.url
			answer = thread.submit(call, http, "wait_for_ever", headers=ANN)
			assert methods.entered.wait(10)
		assert answer.result(10).status_code == 500


@pytest.fixture
def process(tmp_path: Path, config: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
	"""`serve()` in a process of its own, and its address."""
	code = (
		"import sys\n"
		"from pathlib import Path\n"
		"from ai_assistant.standalone import server, stand_in\n"
		"stand_in.install()\n"
		"from tests.standalone import methods\n"
		"sys.modules['ai_assistant.api'] = methods\n"
		"folder = Path(sys.argv[1])\n"
		"server.GRACE_S = 0.2\n"
		"server.serve(port=0, data=folder, site_config=folder / 'site_config.json',\n"
		"	ready=lambda site: print(site.url, flush=True))\n"
		"print('ended', flush=True)\n"
	)
	started = subprocess.Popen(
		[sys.executable, "-c", code, str(tmp_path)],
		cwd=ROOT,
		env={**os.environ, "PYTHONPATH": str(ROOT)},
		stdout=subprocess.PIPE,
		stderr=subprocess.PIPE,
		text=True,
	)
	assert started.stdout
	yield started, started.stdout.readline().strip()
	started.kill()
	started.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_server_cleanly(
	process: tuple[subprocess.Popen[str], str], number: signal.Signals
) -> None:
	server_process, url = process
	assert httpx.get(f"{url}/api/method/ping").json() == {"message": "pong"}

	server_process.send_signal(number)

	out, err = server_process.communicate(timeout=20)
	assert (server_process.returncode, out, err) == (0, "ended\n", "")


def test_a_chat_that_does_not_end_does_not_keep_the_process_alive(
	process: tuple[subprocess.Popen[str], str],
) -> None:
	server_process, url = process
	with httpx.Client(base_url=url, timeout=0.5) as http, pytest.raises(httpx.ReadTimeout):
		call(http, "wait_for_ever", headers=ANN)

	server_process.send_signal(signal.SIGTERM)

	out, err = server_process.communicate(timeout=20)
	assert (server_process.returncode, out) == (0, "ended\n")
	assert "Traceback" not in err


def test_workers_are_made_as_they_are_needed_and_not_beyond_their_number() -> None:
	workers = Workers(3)
	gate, running = threading.Event(), threading.Semaphore(0)

	def work(n: int) -> int:
		running.release()
		assert gate.wait(10)
		return n

	assert workers.submit(lambda: "first").result(10) == "first"
	assert workers._idle.acquire(timeout=10)
	workers._idle.release()
	assert workers.submit(lambda: "second").result(10) == "second"
	assert workers._threads == 1
	gate.set()
	for n in range(5):
		assert workers.submit(work, n).result(10) == n
	gate.clear()
	for _ in range(5):
		running.acquire(timeout=10)
	waiting = [workers.submit(work, n) for n in range(5)]
	for _ in range(3):
		assert running.acquire(timeout=10)
	assert workers._threads == 3
	gate.set()
	assert [done.result(10) for done in waiting] == [0, 1, 2, 3, 4]
	with pytest.raises(ZeroDivisionError):
		workers.submit(lambda: 1 // 0).result(10)
	workers.shutdown()
