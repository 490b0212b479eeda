"""The whitelisted methods of the contract.

- `responses` checks the caller, turns each refusal into an error object (`refusal_of`) and sets the HTTP
  status.
- `v1` serves the standard APIs, and `requests` runs their requests. `dialect` says what the module of an API
  contains, and has the HTTP status of each error code.
- `python` is the API for other apps of the bench.
- `openai` and `anthropic` are the standard APIs. An API may have other HTTP statuses for some codes.
"""

# No `from __future__ import annotations`: it would switch off Frappe's check of arguments.
import time
from collections.abc import Mapping
from typing import Any

import frappe
from werkzeug.wrappers import Response

from ai_assistant import gateway
from ai_assistant.chat import approvals, counting, event_feed, lifecycle, long_poll, ownership, queue, request
from ai_assistant.chat.answer import current_answer
from ai_assistant.chat.validators import real_number, whole_number
from ai_assistant.config import access
from ai_assistant.log import fails_quietly
from ai_assistant.operations import health as vitals
from ai_assistant.operations import metrics as figures

from . import conversations as conversations
from . import python
from .responses import Answer, Field, Own, answers, answers_to, only_for_monitoring, outcome

# Parameters that Frappe itself reads or adds.
FRAPPE_FIELDS = frozenset(("cmd", "csrf_token", "sid", "_lang", "data"))


@frappe.whitelist(methods=["POST"])
@answers
def chat_completion(
	messages: Field = None,
	mode: Field = "chat",
	task_id: Field = None,
	request_id: Field = None,
	provider: Field = None,
	model: Field = None,
	temperature: Field = None,
	max_tokens: Field = None,
	reasoning_effort: Field = None,
	background: Field = False,
	tools: Field = None,
	tool_choice: Field = None,
	stream_tool_calls: Field = False,
	response_format: Field = None,
	stop: Field = None,
	top_p: Field = None,
	seed: Field = None,
	parallel_tool_calls: Field = None,
	presence_penalty: Field = None,
	frequency_penalty: Field = None,
	service_tier: Field = None,
	verbosity: Field = None,
	metadata: Field = None,
	reference_doctype: Field = None,
	reference_name: Field = None,
) -> Answer:
	"""Asks a provider, sends its reasoning and text to the user's socket as they arrive, and returns the whole answer.

	For users with the role AI Assistant User. The fields are those of docs/streaming.md. This app refuses a field of a
	wrong type itself, because Frappe's refusal has a traceback. It names an unknown field in the answer's `dropped`.
	"""
	fields = dict(locals())
	if frappe.flags.in_safe_exec:
		# A chat commits, which a Server Script may not do in a document event.
		return python.answer_object(fields)
	started = time.monotonic()
	settings = access.load_permitted()
	valid = request.validate({**_unknown_fields(fields), **fields}, settings)
	return outcome(python.answered(valid, settings, started, _generate_cloud_response))


def _unknown_fields(known: Mapping[str, Any]) -> dict[str, Any]:
	"""Returns the fields of the HTTP request that are not parameters. Frappe leaves them out of the call."""
	sent = getattr(frappe.local, "form_dict", None) or {}
	return {name: value for name, value in sent.items() if name not in known and name not in FRAPPE_FIELDS}


@fails_quietly
def answer_queued(name: str) -> None:
	"""Answers a queued request. It is the job of a worker.

	Args:
		name: the name of the request's row.
	"""
	if (chat := queue.take(name)) is not None:
		_generate_cloud_response(chat)


def _generate_cloud_response(chat: lifecycle.Chat) -> dict[str, Any]:
	"""Runs an accepted request to its end, which publishes its events, and returns the answer object."""
	return lifecycle.result_of(lifecycle.run(chat))


@frappe.whitelist(methods=["GET"])
@answers
def get_request(request_id: Field = None) -> Answer:
	"""Returns the answer object of one of the user's requests in any status. A queued one has its `position`."""
	row = ownership.find(request_id)
	answer = current_answer(row)
	return {**answer, "position": queue.position_of(row)} if row["status"] == "queued" else answer


@frappe.whitelist(methods=["GET"])
@answers
def get_events(
	request_id: Field = None, task_id: Field = None, after_seq: Field = 0, wait: Field = 0
) -> Answer:
	"""Returns the events of a request, or of the newest request of a task.

	Args:
		request_id: the id of the request.
		task_id: the id of the task. It counts only without a request_id.
		after_seq: only later events are returned.
		wait: the seconds to wait for an event or for the end of the request. Without a free thread in this process, the
			answer comes at once.
	"""
	row = ownership.find(request_id, task_id)
	after = whole_number(after_seq, "after_seq", 0, 2**31) or 0
	seconds = real_number(wait, "wait", 0, long_poll.MAX_WAIT_S) or 0
	return long_poll.answer(row, after, seconds)


# POST, because a cursor may be longer than a URL.
@frappe.whitelist(methods=["POST"])
@answers
def watch(cursor: Field = None) -> Answer:
	"""Returns the new events of all requests of the user. A System Manager gets those of all users.

	Frappe's View Log gets a row for each request of another user whose events are returned (docs/privacy.md).

	Args:
		cursor: the `cursor` of the previous answer. A client that sends each answer's cursor gets each event once.
	"""
	return event_feed.page(cursor)


@frappe.whitelist(methods=["POST"])
@answers
def cancel(request_id: Field = None, task_id: Field = None) -> Answer:
	"""Cancels a request, or all requests of a task that have not ended, in any process."""
	return {"cancelled": queue.cancel(ownership.find_unended(request_id, task_id))}


@frappe.whitelist(methods=["POST"])
@answers
def approve(request_id: Field = None, approval: Field = None, approved: Field = True) -> Answer:
	"""Approves or refuses a call of a tool of the site, for which one of the user's requests waits.

	Args:
		request_id: the id of the request.
		approval: the `approval` of the event `tool_approval`.
		approved: false refuses the call.
	"""
	return approvals.decide(request_id, approval, approved)


@frappe.whitelist(methods=["POST"])
@answers
def count_tokens(
	messages: Field = None,
	tools: Field = None,
	model: Field = None,
	provider: Field = None,
	mode: Field = "chat",
) -> Answer:
	"""Counts the tokens of a question that is not asked, with the mode's system prompt.

	The provider counts them if its API can. Else the count is an estimate from the length, and `estimated` is true.
	"""
	fields = dict(locals())
	settings = access.load_permitted()
	chosen, name, count = counting.count_tokens(request.validate(fields, settings), settings)
	return {
		"provider": chosen.name,
		"model": name,
		"tokens": count.tokens,
		"estimated": count.estimated,
		"context_window": gateway.model_details(chosen, name)["context_window"],
	}


@frappe.whitelist(methods=["GET"])
@answers
def list_models() -> Answer:
	"""Returns the modes, providers and models that the user may choose, and those that are used without a choice.

	`details` of a provider has what is known of each model that it names; null is unknown.
	"""
	# Clients ask for the models before they chat.
	gateway.warm()
	settings = access.load_permitted()
	first, model = settings.first_for(settings.modes["chat"])
	default = {"provider": first.name if first else None, "model": model, "mode": "chat"}
	return {
		"modes": list(settings.modes),
		"mode_tools": {mode.name: list(mode.tools) for mode in settings.modes.values() if mode.tools},
		"providers": [
			{
				"name": provider.name,
				"models": list(provider.models),
				"default_model": provider.default_model,
				"details": {
					model: gateway.model_details(provider, model)
					for model in provider.listed_models
					if model != "*"
				},
			}
			for provider in settings.by_priority
		],
		"aliases": [
			{"name": alias.name, "provider": alias.provider, "model": alias.model}
			for alias in settings.aliases.values()
		],
		"default": default,
	}


@frappe.whitelist(allow_guest=True, methods=["GET"])
def health() -> Response:
	"""Answers 200 or 503, for a load balancer: whether this process can answer chats."""
	well = vitals.is_healthy()
	return Own("ok\n" if well else "unavailable\n", status=200 if well else 503, mimetype="text/plain")


@frappe.whitelist(allow_guest=True, methods=["GET"])
@answers_to(only_for_monitoring)
def metrics() -> Answer:
	"""Returns the site's metrics for Prometheus to a System Manager, or for the token in site_config.json."""
	text, content_type = figures.text()
	return Response(text, content_type=content_type)
