"""A hundred faults leave no thread, task or connection behind, and memory flat; counted in the site's own process."""

import asyncio
import gc
import os
import threading
from pathlib import Path

from ai_assistant.client import Client
from ai_assistant.gateway.bridge import provider_loop
from ai_assistant.standalone.server import running_site
from tests.support.provider import ScriptedProvider
from tests.support.site import StandaloneSite, site_config

from .rounds import rounds


def figures() -> dict[str, int]:
	gc.collect()
	tasks = asyncio.run_coroutine_threadsafe(_tasks(), provider_loop()).result()
	kilobytes = Path("/proc/self/status").read_text().split("VmRSS:")[1].split()[0]
	files = len(os.listdir("/proc/self/fd"))
	return {"threads": threading.active_count(), "tasks": tasks, "files": files, "memory": int(kilobytes)}


async def _tasks() -> int:
	return len(asyncio.all_tasks())


def test_a_hundred_rounds_of_faults_leave_nothing_behind(tmp_path: Path) -> None:
	with ScriptedProvider() as provider:
		config = StandaloneSite(tmp_path, {**site_config(provider), "timeouts": {"first_token_s": 30}})
		with running_site(site_config=config.config_file, data=tmp_path / "data") as site:
			user = next(iter(site.users.values()))
			with Client(site.url, site.name, user=user.name, password=user.password) as client:
				client.connect()
				batches = [figures()]
				# Threads are made as they are needed, and each keeps a connection to the database: the first
				# batches may leave some. What a fault leaves behind, every batch does: each kind comes 25 times.
				while len(batches) < 6 and (len(batches) < 3 or grown(*batches[-2:])):
					rounds(client, provider, 100)
					batches.append(figures())
	assert grown(*batches[-2:]) == [], batches


def grown(before: dict[str, int], after: dict[str, int]) -> list[str]:
	of_a_kind = [name for name in ("threads", "tasks", "files") if after[name] > before[name] + 10]
	return of_a_kind + ["memory"] * (after["memory"] > before["memory"] * 1.05)
