"""The methods for the conversations that the page lists, and the job that makes their titles."""

# No `from __future__ import annotations`: it would switch off Frappe's check of arguments.
import time
from typing import Any

import frappe
from frappe import _

from ai_assistant import keys, store
from ai_assistant.chat import capacity, conversations, lifecycle
from ai_assistant.chat import request as requests
from ai_assistant.chat.answer import current_answer
from ai_assistant.chat.errors import ChatError, invalid
from ai_assistant.chat.request import task_id_of
from ai_assistant.chat.validators import real_number, whole_number
from ai_assistant.config import access
from ai_assistant.log import fails_quietly

from .responses import Answer, Field, answers_to, only_for_roles

MAX_SEARCH = 200


def only_for_people() -> None:
	"""Raises ChatError `not_permitted` for a user without the role, and for an AI Key, with which a program chats."""
	only_for_roles()
	if keys.current() is not None:
		raise ChatError("not_permitted", _("An AI Key may only chat; log in to read conversations."))


@frappe.whitelist(methods=["GET"])
@answers_to(only_for_people)
def get_list(search: Field = "", before: Field = None, limit: Field = 50) -> Answer:
	"""Returns the user's conversations, the newest first.

	Args:
		search: words that the title, a question or an answer contains.
		before: the `created` of the last conversation of the page before.
		limit: the most conversations.
	"""
	if not isinstance(search, str) or len(search) > MAX_SEARCH:
		raise invalid(_("search accepts at most {0} characters."), MAX_SEARCH)
	earlier = real_number(before, "before", 0, 1e12)
	most = whole_number(limit, "limit", 1, 200) or 50
	found = store.current().conversations(frappe.session.user, search.strip(), earlier, most)
	return {"conversations": [conversation._asdict() for conversation in found]}


@frappe.whitelist(methods=["GET"])
@answers_to(only_for_people)
def get(task_id: Field = None) -> Answer:
	"""Returns a conversation: its `title`, and its `turns` with the new messages and the answer object of each."""
	rows = _rows(task_id)
	turns = [{"messages": row["new_messages"], "answer": current_answer(row)} for row in reversed(rows)]
	return {"task_id": rows[0]["task_id"], "title": rows[0]["title"] or "", "turns": turns}


@frappe.whitelist(methods=["POST"])
@answers_to(only_for_people)
def rename(task_id: Field = None, title: Field = None) -> Answer:
	"""Gives a conversation another title."""
	rows = _rows(task_id)
	if not isinstance(title, str) or not 1 <= len(title.strip()) <= conversations.MAX_TITLE:
		raise invalid(_("title accepts 1 to {0} characters."), conversations.MAX_TITLE)
	with store.transaction() as current:
		current.rename(rows[0]["user"], rows[0]["task_id"], title.strip())
	return {"title": title.strip()}


@frappe.whitelist(methods=["POST"])
@answers_to(only_for_people)
def delete(task_id: Field = None) -> Answer:
	"""Deletes the questions and answers of a conversation. Its figures stay."""
	rows = _rows(task_id)
	if any(row["status"] in store.UNENDED for row in rows):
		# Its end would write the answer again.
		raise ChatError("conflict", _("An answer of this conversation is being written; stop it first."))
	with store.transaction() as current:
		for row in rows:
			current.erase(row["name"])
	return {"deleted": len(rows)}


def _rows(task_id: Any) -> list[store.Row]:
	"""Returns the requests of the user's conversation, the newest first. Raises ChatError `not_found` if there is none."""
	task = task_id_of(task_id)
	if task is None:
		raise invalid(_("task_id is needed: the id of a conversation."))
	rows = store.current().of_task(frappe.session.user, task)
	kept = [row for row in rows if row["new_messages"] and not row["ai_key"]]
	if not kept:
		raise ChatError("not_found", _("There is no such conversation."))
	return kept


@fails_quietly
def make_title(user: str, task_id: str) -> None:
	"""Asks the cheapest model that the user may use for the title of a conversation. It is a job of Frappe's queue.

	The request is stored and counted as the user's. If it fails, the title stays the beginning of the question.
	"""
	frappe.set_user(user)
	rows = store.current().of_task(user, task_id)
	first = rows[-1] if rows else None
	if first is None or not first["new_messages"]:
		return
	settings = access.load_permitted()
	names: dict[str, Any] = {"provider": first["provider"], "model": first["model"]}
	if cheapest := conversations.cheapest(settings):
		names = {"provider": cheapest[0].name, "model": cheapest[1]}
	try:
		question = requests.validate({"messages": conversations.question_for(first), **names}, settings)
		with capacity.for_chat(settings.limits):
			chat = lifecycle.begin(conversations.without_question(question), settings, time.monotonic())
			answer = lifecycle.result_of(lifecycle.run(chat))
	except ChatError:
		# A limit or a budget of the user.
		return
	title = conversations.title_in(answer["response"])
	with store.transaction() as current:
		# The user may have renamed it meanwhile.
		if title and current.title(user, task_id) == first["title"]:
			current.rename(user, task_id, title)
