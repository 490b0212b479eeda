"""How long web servers wait: read from a bench's nginx.conf, its processes and its supervisor.conf."""

import math
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from ai_assistant.config.gunicorn import Gunicorn
from ai_assistant.operations.doctor import proxy_timeouts

# As `bench setup nginx` writes it, in what matters here.
SERVER = """
server {{
	server_name a.example;
	# proxy_read_timeout 7;
	location /socket.io {{
		proxy_pass http://bench-socketio-server;
	}}
	location @webserver {{
		{directive}
		proxy_pass  http://bench-frappe;
	}}
}}
"""


@pytest.mark.parametrize(
	("directive", "seconds"),
	[
		("proxy_read_timeout 120;", 120),
		("proxy_read_timeout 120s;", 120),
		("proxy_read_timeout $patience;", None),
		("", None),
	],
)
def test_nginx_waits_as_its_configuration_says(directive: str, seconds: float | None) -> None:
	assert proxy_timeouts.nginx_s(SERVER.format(directive=directive)) == seconds


def test_of_several_sites_the_shortest_timeout_counts() -> None:
	timeouts = ("proxy_read_timeout 120;", "proxy_read_timeout 20;")
	assert proxy_timeouts.nginx_s("".join(SERVER.format(directive=timeout) for timeout in timeouts)) == 20


# gunicorn

Start = Callable[..., None]
MASTER = "gunicorn: master [frappe.app:application]"


@pytest.fixture
def sites(tmp_path: Path) -> Path:
	for name in ("sites", "config"):
		(tmp_path / name).mkdir()
	# What is looked at is the command alone.
	(tmp_path / "gunicorn").write_text("import sys; sys.stdin.read()")
	return tmp_path / "sites"


@pytest.fixture
def start(sites: Path) -> Iterator[Start]:
	with ExitStack() as stack:

		def begin(*options: str, title: str = "", environment: str = "") -> None:
			command = [title, "-"] if title else [sys.executable, str(sites.parent / "gunicorn"), *options]
			program = "/bin/cat" if title else sys.executable
			process = stack.enter_context(
				subprocess.Popen(
					command,
					executable=program,
					cwd=sites,
					env={"GUNICORN_CMD_ARGS": environment},
					stdin=subprocess.PIPE,
				)
			)
			stack.callback(process.kill)
			# For a moment a process has begun and no command yet.
			while not Path(f"/proc/{process.pid}/cmdline").read_bytes():
				pass

		yield begin


@pytest.mark.parametrize(
	("options", "timeout_s", "threads"),
	[
		(["-t", "33"], 33, 1),
		(["-w", "2", "--timeout=33", "-k", "gthread"], 33, 1),
		(["--threads", "32", "-t33"], 33, 32),
		(["--threads", "1"], 30, 1),
		(["--worker-class", "gevent"], 30, None),
		(["-t", "0"], math.inf, 1),
		(["-t", "long"], None, None),
	],
)
def test_how_gunicorn_was_started(
	sites: Path, start: Start, options: list[str], timeout_s: float | None, threads: int | None
) -> None:
	start(*options)
	assert proxy_timeouts.gunicorn(sites) == [Gunicorn(timeout_s, threads)]


def test_the_command_line_counts_more_than_the_environment(sites: Path, start: Start) -> None:
	start(environment="--timeout 50")
	start("-t", "60", environment="--timeout 50")
	assert sorted(gunicorn.timeout_s or 0 for gunicorn in proxy_timeouts.gunicorn(sites)) == [50, 60]


@pytest.mark.parametrize("options", [[], ["-c", "file:own.py"]])
def test_what_a_configuration_file_may_set_is_unknown(sites: Path, start: Start, options: list[str]) -> None:
	if not options:
		(sites / "gunicorn.conf.py").write_text("timeout = 40")
	start(*options, "-k", "gthread", "--threads", "4")
	assert proxy_timeouts.gunicorn(sites) == [Gunicorn(None, 4)]


def test_behind_a_title_its_options_are_those_that_supervisor_has(sites: Path, start: Start) -> None:
	start(title=MASTER)
	assert proxy_timeouts.gunicorn(sites) == []
	command = "/b/env/bin/gunicorn -b 127.0.0.1:8000 -w 2 -t 80 --graceful-timeout 30 frappe.app:application"
	(sites.parent / "config" / "supervisor.conf").write_text(f"[program:web]\ncommand={command}\n")
	assert proxy_timeouts.gunicorn(sites) == [Gunicorn(80, 1)]
	start("-t", "33")
	assert [gunicorn.timeout_s for gunicorn in proxy_timeouts.gunicorn(sites)] == [33]


def test_another_benchs_gunicorn_is_none_of_this_one(sites: Path, start: Start, tmp_path: Path) -> None:
	start("-t", "33")
	assert proxy_timeouts.gunicorn(tmp_path / "other") == []
