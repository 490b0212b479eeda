"""What is in the place of frappe, and what is not."""

import copy
import logging
import subprocess
import sys
import time
from datetime import datetime, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import frappe
import pytest
from frappe import _
from frappe.exceptions import ValidationError
from frappe.utils import cint, convert_utc_to_system_timezone, now

from ai_assistant.standalone import stand_in


def test_it_is_importable_as_frappe() -> None:
	assert frappe.ValidationError is ValidationError
	assert frappe.utils.now is now
	assert frappe.exceptions.PermissionError is frappe.PermissionError
	assert _("Hello") == "Hello"
	assert stand_in.install() is True


@pytest.mark.parametrize("name", ["get_doc", "get_all", "new_doc", "session_obj", "json"])
def test_what_is_missing_names_itself(name: str) -> None:
	with pytest.raises(AttributeError, match=f"^the standalone site has no frappe.{name}$"):
		getattr(frappe, name)


def test_a_cached_value_expires_and_is_of_its_site(monkeypatch: pytest.MonkeyPatch) -> None:
	now = 100.0
	monkeypatch.setattr(stand_in.memory, "monotonic", lambda: now)
	monkeypatch.setattr(stand_in.local, "site", "one", raising=False)
	frappe.cache.set_value("key", "value", expires_in_sec=10)
	assert frappe.cache.get_value("key", expires=True) == "value"
	monkeypatch.setattr(stand_in.local, "site", "two")
	assert frappe.cache.get_value("key", expires=True) is None
	monkeypatch.setattr(stand_in.local, "site", "one")
	now = 110.0
	assert frappe.cache.get_value("key", expires=True) is None


def test_what_is_missing_of_a_submodule_names_itself() -> None:
	with pytest.raises(AttributeError, match=r"^the standalone site has no frappe.utils.getdate$"):
		frappe.utils.getdate
	with pytest.raises(ModuleNotFoundError, match=r"frappe\.model"):
		__import__("frappe.model")


def test_an_exception_carries_its_http_status() -> None:
	statuses = {
		name: getattr(getattr(frappe, name), "http_status_code", None) for name in stand_in._exceptions
	}

	assert statuses == {
		"ValidationError": 417,
		"FrappeTypeError": 417,
		"AuthenticationError": 401,
		"PermissionError": 403,
		"DoesNotExistError": 404,
		"AppNotInstalledError": 417,
		"CSRFTokenError": 400,
		"InvalidAuthorizationToken": 400,
		"SecurityException": None,
		# Each carries its own.
		"Redirect": None,
	}
	assert (frappe.Redirect().http_status_code, frappe.Redirect(302).http_status_code) == (301, 302)
	assert repr(frappe.PermissionError) == "<class 'frappe.exceptions.PermissionError'>"


def test_now_is_a_local_time_with_microseconds() -> None:
	written = datetime.strptime(now(), "%Y-%m-%d %H:%M:%S.%f")

	assert abs((datetime.now() - written).total_seconds()) < 60


@pytest.mark.parametrize(
	("value", "number"),
	[("3", 3), ("3.7", 3), (3.7, 3), (None, 0), ("three", 0), ("", 0), (True, 1), ("inf", 0), ([], 0)],
)
def test_cint_makes_an_int_of_anything(value: Any, number: int) -> None:
	assert cint(value) == number
	assert cint("x", 5) == 5


@pytest.mark.parametrize("zone", [None, timezone.utc])
def test_a_moment_in_utc_is_told_by_the_clock_of_now(
	zone: timezone | None, monkeypatch: pytest.MonkeyPatch
) -> None:
	monkeypatch.setenv("TZ", "Asia/Kolkata")
	time.tzset()
	try:
		moment = convert_utc_to_system_timezone(datetime(2026, 11, 24, 18, 30, tzinfo=zone))
		assert (moment.isoformat(), moment.tzname()) == ("2026-11-25T00:00:00+05:30", "IST")
		assert convert_utc_to_system_timezone(datetime.now(timezone.utc)).isoformat(" ")[:16] == now()[:16]
	finally:
		monkeypatch.undo()
		time.tzset()


def test_json_has_its_keys_sorted_and_knows_dates_decimals_and_sets() -> None:
	written = frappe.as_json({"b": datetime(2025, 10, 27, 12, 34), "a": Decimal("1.5"), "c": {1}})

	assert written == '{\n "a": 1.5,\n "b": "2025-10-27 12:34:00",\n "c": [\n  1\n ]\n}'
	with pytest.raises(TypeError, match="not JSON serializable"):
		frappe.as_json({"a": object()})


def test_a_dict_has_its_keys_as_attributes_and_can_be_copied() -> None:
	fields = frappe._dict(a={"b": 1})
	fields.c = 2

	copied = copy.deepcopy(fields)
	fields.a["b"] = 3
	assert (copied.a, copied.c, copied["c"], copied.missing) == ({"b": 1}, 2, 2, None)


def test_without_a_request_there_is_no_session_and_the_role_is_guest() -> None:
	assert frappe.get_roles() == ["Guest"]
	with pytest.raises(RuntimeError):
		frappe.session.user


@pytest.fixture
def transaction() -> Any:
	"""A `frappe.db` whose commits and events are written down."""
	happened: list[Any] = []
	stand_in.local.db = stand_in.Transaction(
		lambda: happened.append("commit"),
		lambda: happened.append("rollback"),
		lambda *event: happened.append(event),
	)
	stand_in.local.session = stand_in._dict(user="ann")
	yield happened
	del stand_in.local.db, stand_in.local.session


@pytest.mark.parametrize(
	("value", "event", "room"),
	[
		({"event": "e", "room": "r", "task_id": "t", "user": "u"}, "e", "r"),
		({"event": "e", "task_id": "t", "user": "u"}, "e", "task_progress:t"),
		({"event": "e", "user": "u", "doctype": "D", "docname": "n"}, "e", "user:u"),
		({"event": "e", "doctype": "D", "docname": "n"}, "e", "doc:D/n"),
		({"event": "e", "doctype": "D"}, "e", "all"),
		({"event": "e"}, "e", "all"),
		({}, "global", "all"),
		({"task_id": "t"}, "task_progress", "task_progress:t"),
		({"event": "msgprint"}, "msgprint", "user:ann"),
		({"event": "list_update", "message": {"doctype": "D"}}, "list_update", "doctype:D"),
		({"event": "docinfo_update", "doctype": "D", "docname": "n"}, "docinfo_update", "doc:D/n"),
	],
)
def test_the_room_is_chosen_in_frappes_order(
	transaction: list[Any], value: dict[str, Any], event: str, room: str
) -> None:
	frappe.publish_realtime(**value)

	[(sent, _message, where)] = transaction
	assert (sent, where) == (event, room)


def test_an_event_to_a_task_does_not_wait_for_the_commit(transaction: list[Any]) -> None:
	frappe.publish_realtime("e", {}, task_id="t", after_commit=True)
	frappe.publish_realtime("e", {}, user="u", after_commit=True)

	assert transaction == [("e", {"task_id": "t"}, "task_progress:t")]


def test_an_event_leaves_after_the_commit_and_not_before(transaction: list[Any]) -> None:
	frappe.publish_realtime("e", {"n": 1}, user="u", after_commit=True)
	assert transaction == []
	frappe.db.commit()
	frappe.db.commit()

	assert transaction == ["commit", ("e", {"n": 1}, "user:u"), "commit"]


def test_an_event_travels_as_json(transaction: list[Any]) -> None:
	frappe.publish_realtime("e", {"b": (1, 2), "a": Decimal("0.5"), "lone": "\ud83d"}, user="u")

	[(_event, message, _room)] = transaction
	assert list(message.items()) == [("a", 0.5), ("b", [1, 2]), ("lone", "\ud83d")]
	with pytest.raises(TypeError):
		frappe.publish_realtime("e", {"a": object()}, user="u")


def test_a_logger_passes_errors_alone_until_its_level_is_set(tmp_path: Path) -> None:
	before = stand_in.keep_logs_in(tmp_path)
	try:
		logger = frappe.logger("test_stand_in")
		assert frappe.logger("test_stand_in") is logger
		assert (logger.name, logger.level, logger.propagate) == ("test_stand_in-all", logging.ERROR, False)
		logger.info("quiet")
		logger.setLevel(logging.INFO)
		logger.info("heard: שלום \ud83d")
		frappe.logger("test_stand_in", allow_site="standalone").error("of the site")
	finally:
		stand_in.keep_logs_in(before)

	lines = (tmp_path / "test_stand_in.log").read_text("utf-8").splitlines()
	assert [line[24:] for line in lines] == [
		"INFO test_stand_in heard: שלום \\ud83d",
		"ERROR test_stand_in of the site",
	]


def test_a_logger_follows_to_another_folder_with_what_was_set_on_it(tmp_path: Path) -> None:
	before = stand_in.keep_logs_in(None)
	try:
		logger = frappe.logger("test_moves")
		logger.setLevel(logging.INFO)
		logger.handlers[0].setFormatter(logging.Formatter("own %(message)s"))
		logger.error("nowhere")
		for name in ("first", "second"):
			(tmp_path / name).mkdir()
			stand_in.keep_logs_in(tmp_path / name)
			logger.info(name)
	finally:
		stand_in.keep_logs_in(before)

	for name in ("first", "second"):
		assert (tmp_path / name / "test_moves.log").read_text() == f"own {name}\n"
	assert not Path("test_moves.log").exists()


def test_a_log_file_that_is_full_is_rotated(tmp_path: Path) -> None:
	before = stand_in.keep_logs_in(tmp_path)
	try:
		logger = frappe.logger("test_rotates", max_size=100, file_count=2)
		for n in range(10):
			logger.error("%s %s", n, "x" * 60)
	finally:
		stand_in.keep_logs_in(before)

	assert sorted(path.name for path in tmp_path.iterdir()) == [
		"test_rotates.log",
		"test_rotates.log.1",
		"test_rotates.log.2",
	]


def installed_beside(folder: Path) -> str:
	code = (
		"from ai_assistant.standalone import stand_in\n"
		"print(stand_in.install())\n"
		"import frappe, frappe.utils\n"
		"print(hasattr(frappe, 'throw'), frappe.utils.__name__)\n"
	)
	done = subprocess.run(
		[sys.executable, "-c", code],
		env={"PYTHONPATH": f"{folder}:{Path(__file__).parents[2]}"},
		capture_output=True,
		text=True,
	)
	return done.stdout + done.stderr


def test_a_real_frappe_is_left_alone(tmp_path: Path) -> None:
	(tmp_path / "frappe" / "utils").mkdir(parents=True)
	(tmp_path / "frappe" / "__init__.py").write_text("whitelist = throw = print\n")
	(tmp_path / "frappe" / "utils" / "__init__.py").write_text("")

	assert installed_beside(tmp_path) == "False\nTrue frappe.utils\n"


def test_pypis_placeholder_and_a_folder_of_that_name_are_replaced(tmp_path: Path) -> None:
	(tmp_path / "frappe").mkdir()
	assert installed_beside(tmp_path) == "True\nTrue frappe.utils\n"
	(tmp_path / "frappe" / "__init__.py").write_text("from . import utils\n")
	(tmp_path / "frappe" / "utils.py").write_text("")
	assert installed_beside(tmp_path) == "True\nTrue frappe.utils\n"


def test_a_real_frappe_that_is_broken_is_not_replaced(tmp_path: Path) -> None:
	(tmp_path / "frappe").mkdir()
	(tmp_path / "frappe" / "__init__.py").write_text("import nosuchmodule\n")

	assert "ModuleNotFoundError: No module named 'nosuchmodule'" in installed_beside(tmp_path)
