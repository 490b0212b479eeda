"""The queries for another user's id and for an id that does not exist are the same."""

import inspect
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from werkzeug.test import TestResponse

from tests.support.methods import METHODS, VERBS
from tests.support.site import USERS

from .conftest import InProcess

FIRST, SECOND, *_ = USERS
READING = [
	(name, parameter)
	for name, method in METHODS.items()
	for parameter in inspect.signature(method).parameters
	if parameter.endswith("_id") and "messages" not in inspect.signature(method).parameters
]


@contextmanager
def statements(site: InProcess) -> Iterator[list[str]]:
	"""The statements that run in the context, without their values."""
	queries: list[str] = []
	read, write = site.database.read, site.database.write

	def noting(run: Any) -> Any:
		return lambda sql, *arguments: (queries.append(sql), run(sql, *arguments))[1]

	with pytest.MonkeyPatch.context() as patch:
		patch.setattr(site.database, "read", noting(read))
		patch.setattr(site.database, "write", noting(write))
		yield queries


def ask(site: InProcess, user: str, name: str, **fields: Any) -> TestResponse:
	sent: dict[str, Any] = {"query_string": fields} if VERBS[name][0] == "GET" else {"json": fields}
	headers = {"Authorization": f"token {user}:secret"}
	return site.client.open(
		f"/api/method/ai_assistant.api.{name}", method=VERBS[name][0], headers=headers, **sent
	)


@pytest.mark.parametrize(("name", "parameter"), READING)
def test_as_many_questions_are_asked_of_the_database(
	in_process: InProcess, name: str, parameter: str
) -> None:
	ids = {"request_id": f"the-firsts-{name}", "task_id": "the first's task"}
	messages = [{"role": "user", "content": "hello"}]
	assert ask(in_process, FIRST, "chat_completion", messages=messages, **ids).status_code == 200
	queries = []
	for identity in (ids[parameter], ids[parameter].replace("first", "third")):
		with statements(in_process) as counted:
			response = ask(in_process, SECOND, name, **{parameter: identity})
		assert response.status_code == 404
		# Cookies expire at the second in which they are made.
		headers = [(header, re.sub("Expires=[^;]+", "", value)) for header, value in response.headers]
		queries.append((counted, response.data, headers))
	theirs, nobodys = queries
	assert theirs == nobodys and len(theirs[0]) > 0
	# Its owner is told that the decision has no call.
	status = 417 if name == "approve" else 200
	with statements(in_process) as counted:
		assert ask(in_process, FIRST, name, **{parameter: ids[parameter]}).status_code == status
