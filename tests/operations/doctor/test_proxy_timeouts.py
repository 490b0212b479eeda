"""How long web servers wait, out of what a bench has: its nginx.conf, its processes, its supervisor.conf."""

import math
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from ai_assistant.operations.doctor import proxy_timeouts

HERE = {"a.example"}


def server(said: str, name: str = "a.example", around: str = "") -> str:
	"""As `bench setup nginx` writes it, in what matters here."""
	return f"""
upstream bench-frappe {{
	server 127.0.0.1:8000 fail_timeout=0;
}}
server {{
	listen 443 ssl;
	server_name
		{name}
		;
	# proxy_read_timeout 7;
	add_header X-Some "proxy_read_timeout 8; {{";
	location /socket.io {{
		proxy_read_timeout 9;
		proxy_pass http://bench-socketio-server;
	}}
	location ~ ^/protected/(.*) {{
		internal;
		try_files /a.example/$1 =404;
	}}
	location / {{
		location ~* ^/files/.*.(htm|html|svg|xml) {{ try_files /x/public/$uri @webserver; }}
		try_files /x/public/$uri @webserver;
	}}
	location @webserver {{
		proxy_set_header Host $host;
		{said}
		proxy_pass  http://bench-frappe;
	}}
	{around}
}}
server {{
	listen 80;
	server_name {name};
	return 301 https://$host$request_uri;
}}
"""


@pytest.mark.parametrize(
	("said", "seconds"),
	[
		("120", 120),
		("120s", 120),
		("2m", 120),
		("1m30s", 90),
		('"1m 30s"', 90),
		("90000ms", 90),
		("1h", 3600),
		("$patience", math.inf),
	],
)
def test_what_nginx_was_told(said: str, seconds: float) -> None:
	assert proxy_timeouts.nginx_s(server(f"proxy_read_timeout {said};"), HERE) == seconds


def test_nginx_that_was_told_nothing_waits_a_minute() -> None:
	assert proxy_timeouts.nginx_s(server(""), HERE) == proxy_timeouts.NGINX_S


def test_what_is_said_around_a_place_holds_in_it_unless_it_says_otherwise() -> None:
	around = "proxy_read_timeout 200;"
	assert proxy_timeouts.nginx_s(server("", around=around), HERE) == 200
	assert proxy_timeouts.nginx_s(server("proxy_read_timeout 100;", around=around), HERE) == 100
	assert proxy_timeouts.nginx_s("proxy_read_timeout 300;" + server(""), HERE) == 300


def test_of_many_sites_this_one_counts_and_where_none_is_it_all_do() -> None:
	written = server("proxy_read_timeout 120;") + server("proxy_read_timeout 20;", "b.example c.example")
	assert proxy_timeouts.nginx_s(written, HERE) == 120
	assert proxy_timeouts.nginx_s(written, {"c.example"}) == 20
	assert proxy_timeouts.nginx_s(written, {"elsewhere.example"}) == 20


@pytest.mark.parametrize("written", ["", "server { listen 80; }", "}", "server {", "location / { 'x"])
def test_what_passes_nothing_on_or_is_broken_says_nothing(written: str) -> None:
	assert proxy_timeouts.nginx_s(written, HERE) is None


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
	("options", "timeout_s", "sync"),
	[
		(["-t", "33"], 33, True),
		(["-w", "2", "--timeout=33", "-k", "gthread"], 33, False),
		(["--threads", "32", "-t33"], 33, False),
		(["--threads", "1"], 30, True),
		(["--worker-class", "gevent"], 30, False),
		(["-t", "0"], math.inf, True),
		(["-t", "long"], None, True),
	],
)
def test_how_gunicorn_was_started(
	sites: Path, start: Start, options: list[str], timeout_s: float | None, sync: bool
) -> None:
	start(*options)
	assert proxy_timeouts.gunicorn(sites) == [proxy_timeouts.Gunicorn(timeout_s, sync)]


def test_of_what_gunicorn_was_told_the_command_line_counts_most_and_its_file_least(
	sites: Path, start: Start
) -> None:
	(sites / "gunicorn.conf.py").write_text("timeout = 40\nthreads = 4\nbind = f'{1}'\n")
	start()
	start(environment="--timeout 50")
	start("-t", "60", environment="--timeout 50")
	assert sorted(str(each.timeout_s) for each in proxy_timeouts.gunicorn(sites)) == ["40.0", "50.0", "60.0"]
	assert not any(each.sync for each in proxy_timeouts.gunicorn(sites))


@pytest.mark.parametrize(
	("written", "timeout_s"), [("timeout = 70", 70), ("timeout = int('70')", None), ("timeout =", 30)]
)
def test_a_file_is_read_and_not_run(sites: Path, start: Start, written: str, timeout_s: float | None) -> None:
	(sites / "own.py").write_text(written)
	start("-c", "file:own.py")
	assert [each.timeout_s for each in proxy_timeouts.gunicorn(sites)] == [timeout_s]


def test_behind_a_title_its_options_are_those_that_supervisor_has(sites: Path, start: Start) -> None:
	start(title=MASTER)
	assert proxy_timeouts.gunicorn(sites) == []
	command = "/b/env/bin/gunicorn -b 127.0.0.1:8000 -w 2 -t 80 --graceful-timeout 30 frappe.app:application"
	(sites.parent / "config" / "supervisor.conf").write_text(f"[program:web]\ncommand={command}\n")
	assert proxy_timeouts.gunicorn(sites) == [proxy_timeouts.Gunicorn(80, True)]
	start("-t", "33")
	assert [each.timeout_s for each in proxy_timeouts.gunicorn(sites)] == [33]


def test_another_benchs_gunicorn_is_none_of_this_one(sites: Path, start: Start, tmp_path: Path) -> None:
	start("-t", "33")
	assert proxy_timeouts.gunicorn(tmp_path / "other") == []
