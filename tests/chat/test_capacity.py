"""How many threads of a process chats and waits may hold."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import frappe
import pytest

from ai_assistant.chat import capacity
from ai_assistant.chat.errors import ChatError
from ai_assistant.config.settings import Limits


@pytest.fixture(autouse=True)
def _site() -> Iterator[None]:
	frappe.local.site, frappe.local.session = "s", frappe._dict(user="ann")
	before = capacity._threads
	yield
	capacity.serve(before)
	capacity._reserved = None
	del frappe.local.site, frappe.local.session
	assert not capacity._held


def test_chats_may_hold_their_share_of_the_threads_and_no_more() -> None:
	capacity.serve(8)
	with ExitStack() as stack:
		for _ in range(4):
			stack.enter_context(capacity.for_chat(Limits()))
		with pytest.raises(ChatError) as refused, capacity.for_chat(Limits()):
			pass
		assert (refused.value.code, refused.value.retry_after) == ("busy", 2)
		assert not stack.enter_context(capacity.for_wait(Limits()))
	with capacity.for_chat(Limits()), capacity.for_wait(Limits()) as held:
		assert held


def test_chats_may_hold_all_threads_that_are_reserved_for_them() -> None:
	capacity.serve(4)
	capacity.reserve(3)
	with ExitStack() as stack:
		for _ in range(3):
			stack.enter_context(capacity.for_chat(Limits(web_percent=1)))
		with pytest.raises(ChatError), capacity.for_chat(Limits()):
			pass


def test_one_who_waits_takes_a_place_from_those_who_chat() -> None:
	capacity.serve(2)
	with capacity.for_wait(Limits()) as held:
		assert held
		with pytest.raises(ChatError, match="in the background"), capacity.for_chat(Limits()):
			pass


def test_a_process_with_one_thread_answers_one_chat_and_lets_nobody_wait() -> None:
	capacity.serve(1)
	with capacity.for_wait(Limits()) as held:
		assert not held
		with capacity.for_chat(Limits()):
			with pytest.raises(ChatError), capacity.for_chat(Limits()):
				pass


def test_a_user_waits_for_as_many_chats_as_they_may_have_and_others_wait_too() -> None:
	capacity.serve(100)
	limits = Limits(concurrent_per_user=1)
	with capacity.for_chat(limits), capacity.for_wait(limits) as first, capacity.for_wait(limits) as second:
		assert (first, second) == (True, False)
		frappe.local.session.user = "bob"
		with capacity.for_wait(limits) as held:
			assert held
		frappe.local.session.user = "ann"


def test_a_chat_that_fails_gives_its_place_back() -> None:
	capacity.serve(1)
	with pytest.raises(KeyError), capacity.for_chat(Limits()):
		raise KeyError


@pytest.mark.parametrize(
	("command", "threads"),
	[
		(["gunicorn", "-w", "2", "frappe.app:application"], 1),
		(["gunicorn", "--threads", "32", "frappe.app:application"], 32),
		(["gunicorn", "--threads=8"], 8),
		(["gunicorn", "--threads"], None),
		(["/b/lib/gunicorn/__main__.py", "-k", "gthread", "--threads", "8"], 8),
		(["gunicorn", "-k", "gevent"], None),
		(["gunicorn", "-c", "own.py"], None),
		(["gunicorn", "-c", "own.py", "--threads", "4"], None),
		(["gunicorn", "-c", "own.py", "--threads", "4", "-k", "gthread"], 4),
		(["/b/bench_helper.py", "frappe", "serve"], None),
		(["uwsgi"], None),
		([""], None),
	],
)
def test_the_threads_are_those_that_gunicorn_was_told(
	monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: list[str], threads: int | None
) -> None:
	monkeypatch.chdir(tmp_path)
	monkeypatch.setattr("sys.argv", command)
	assert capacity._threads_of_this_process() == threads


def test_the_threads_that_the_environment_names_are_gunicorns_too(monkeypatch: pytest.MonkeyPatch) -> None:
	monkeypatch.setattr("sys.argv", ["gunicorn", "frappe.app:application"])
	monkeypatch.setenv("GUNICORN_CMD_ARGS", "--threads 16 -k gthread")
	assert capacity._threads_of_this_process() == 16


def test_where_nobody_knows_how_many_threads_there_are_nobody_is_refused(
	monkeypatch: pytest.MonkeyPatch,
) -> None:
	monkeypatch.setattr(capacity, "_threads", None)
	with ExitStack() as stack:
		for _ in range(100):
			stack.enter_context(capacity.for_chat(Limits()))
		frappe.local.session.user = "bob"
		assert stack.enter_context(capacity.for_wait(Limits()))
		with pytest.raises(ChatError), capacity.for_chat(Limits(web_threads=8)):
			pass
		frappe.local.session.user = "ann"
