"""The whitelisted methods of the contract. One chat reads from top to bottom here: check, admit, run, answer."""

# Without `from __future__ import annotations`, which would switch off Frappe's check of arguments unseen.
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import frappe
from werkzeug.wrappers import Response

from ai_assistant import gateway
from ai_assistant.chat import capacity, event_feed, lifecycle, long_poll, ownership, queue, request, running
from ai_assistant.chat.answer import current_answer
from ai_assistant.chat.validators import real_number, whole_number
from ai_assistant.config import access
from ai_assistant.log import fails_quietly
from ai_assistant.operations import health as vitals
from ai_assistant.operations import metrics as figures

from .responses import Answer, Field, answers, answers_to, only_for_monitoring, outcome

# What Frappe itself reads or adds.
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
) -> Answer:
	"""Asks a provider; its reasoning and text go to the user's socket as they come, and all of it is the answer.

	For users with the role AI Assistant User. The fields are those of docs/streaming.md. This app refuses a field of a
	wrong type itself, because Frappe's refusal has a traceback. It names an unknown field in the answer's `dropped`.
	"""
	fields = dict(locals())
	asked_at = time.monotonic()
	configured = access.load_permitted()
	asked = request.validate({**_unknown_fields(fields), **fields}, configured)
	if (answered := ownership.earlier_answer(asked)) is not None:
		return outcome(answered)
	if asked.background:
		return queue.put(asked, configured, asked_at)
	with capacity.for_chat(configured.limits):
		chat = lifecycle.begin(asked, configured, asked_at)
		try:
			return outcome(_generate_cloud_response(chat))
		finally:
			running.unregister(chat)


def _unknown_fields(known: Mapping[str, Any]) -> dict[str, Any]:
	"""The fields of the HTTP request that are no parameters: Frappe leaves them out of the call."""
	sent = getattr(frappe.local, "form_dict", None) or {}
	return {name: value for name, value in sent.items() if name not in known and name not in FRAPPE_FIELDS}


@fails_quietly
def answer_queued(name: str) -> None:
	"""A worker's job: answers a request that `chat_completion` has put into the queue. `name` is its row's."""
	if (chat := queue.take(name)) is None:
		return
	try:
		_generate_cloud_response(chat)
	finally:
		running.unregister(chat)


def _generate_cloud_response(chat: lifecycle.Chat) -> dict[str, Any]:
	"""Runs an admitted request to its end and returns its answer object. Its events go to the user's socket meanwhile."""
	chunks = lifecycle.run(chat)
	while True:
		try:
			next(chunks)
		except StopIteration as end:
			answer: dict[str, Any] = end.value
			return answer


@frappe.whitelist(methods=["GET"])
@answers
def get_request(request_id: Field = None) -> Answer:
	"""The answer object of one of the user's own requests, in whatever status; a queued one has its `position`."""
	row = ownership.find(request_id)
	answered = current_answer(row)
	return {**answered, "position": queue.position_of(row)} if row["status"] == "queued" else answered


@frappe.whitelist(methods=["GET"])
@answers
def get_events(
	request_id: Field = None, task_id: Field = None, after_seq: Field = 0, wait: Field = 0
) -> Answer:
	"""The events after `after_seq` of a request, or of the newest request of a task.

	With `wait` (seconds) it holds until there is one or the request ends, as long as this process has threads
	to spare for that; without one to spare it answers at once.
	"""
	row = ownership.find(request_id, task_id)
	after = whole_number(after_seq, "after_seq", 0, 2**31) or 0
	seconds = real_number(wait, "wait", 0, long_poll.MAX_WAIT_S) or 0
	return long_poll.answer(row, after, seconds)


# Not by GET: a cursor may be longer than an address can be.
@frappe.whitelist(methods=["POST"])
@answers
def watch(cursor: Field = None) -> Answer:
	"""The events of all requests of the user, of everybody for a System Manager, that came after `cursor`.

	Asked again with the `cursor` of each answer it gives each event once.
	"""
	return event_feed.page(cursor)


@frappe.whitelist(methods=["POST"])
@answers
def cancel(request_id: Field = None, task_id: Field = None) -> Answer:
	"""Stops a request, or all of a task that have not ended, in whatever process. An ended one is left as it is."""
	return {"cancelled": queue.cancel(ownership.find_unended(request_id, task_id))}


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
	configured = access.load_permitted()
	asked = request.validate(fields, configured)
	chosen, name = gateway.Gateway(configured.providers).route(asked.provider, asked.model)[0]
	with capacity.for_chat(configured.limits):
		count = gateway.count_tokens(chosen, replace(asked, model=name))
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
	"""Lists the modes, providers and models that this user may choose from, and what is used if nothing is chosen.

	`details` of a provider says what is known of each model that is named; null is unknown.
	"""
	configured = access.load_permitted()
	providers = sorted(configured.providers, key=lambda each: (each.priority, each.name))
	first, model = configured.first_for(configured.modes["chat"])
	default = {"provider": first.name if first else None, "model": model, "mode": "chat"}
	return {
		"modes": list(configured.modes),
		"providers": [
			{
				"name": each.name,
				"models": list(each.models),
				"default_model": each.default_model,
				"details": {
					model: gateway.model_details(each, model)
					for model in dict.fromkeys((each.default_model, *each.models))
					if model != "*"
				},
			}
			for each in providers
		],
		"aliases": [
			{"name": alias.name, "provider": alias.provider, "model": alias.model}
			for alias in configured.aliases.values()
		],
		"default": default,
	}


@frappe.whitelist(allow_guest=True, methods=["GET"])
def health() -> Response:
	"""Whether chats can be asked for through this process: 200 or 503, for a load balancer. It tells no more."""
	well = vitals.is_healthy()
	return Response("ok\n" if well else "unavailable\n", status=200 if well else 503, mimetype="text/plain")


@frappe.whitelist(allow_guest=True, methods=["GET"])
@answers_to(only_for_monitoring)
def metrics() -> Answer:
	"""The site's figures for Prometheus, to a System Manager or for the token in site_config.json."""
	text, content_type = figures.text()
	return Response(text, content_type=content_type)
