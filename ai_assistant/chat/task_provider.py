"""Keeps a task with one provider, whose cache has the beginning of its messages."""

import hashlib
from dataclasses import replace

import frappe

from ai_assistant import store
from ai_assistant.config.settings import Settings

from .request import ChatRequest


def keep(request: ChatRequest, settings: Settings) -> ChatRequest:
	"""Returns the request with the provider and the model that answered its task last.

	It is returned as it is if the client names a provider or a model, if the task was last answered in another mode, or if
	the settings no longer permit that provider and model. A provider that fails is followed by the others as always.
	"""
	if request.names_provider or request.task_id == request.request_id:
		return request
	row = next(iter(store.current().of_task(frappe.session.user, request.task_id, limit=1)), None)
	if row is None or row["status"] != "completed" or row["mode"] != request.mode:
		return request
	provider = settings.provider(row["provider"] or "")
	if provider is None or not row["model"] or not provider.allows(row["model"]):
		return request
	return replace(request, provider=provider.name, model=row["model"])


def cache_key(user: str, task_id: str) -> str:
	"""Returns a key for the provider's cache: a hash that differs by user and task, and reveals neither."""
	names = f"{frappe.local.site}\0{user}\0{task_id}"
	return hashlib.sha256(names.encode(errors="surrogatepass")).hexdigest()[:32]
