"""Chooses the provider and the key of the last answer in the same task, because the provider's cache for this key contains
the first messages of the task."""

import hashlib
from dataclasses import replace

import frappe

from ai_assistant import store
from ai_assistant.config.settings import Settings

from .request import ChatRequest

# How many of a task's newest requests are looked at for one that was answered: others may be running or have failed.
NEWEST = 5
WANTED = ("status", "mode", "provider", "model", "key_label")


def keep(request: ChatRequest, settings: Settings) -> ChatRequest:
	"""Returns the request with the provider, the model and the key that answered its task last.

	The provider and the model stay as they are if the client names one of them, if the task was last answered in another
	mode, or if the settings no longer permit what answered it. The key is kept if the provider is the same. A provider or
	a key that fails is followed by the others as always.
	"""
	if request.task_id == request.request_id:
		return request
	rows = store.current().of_task(frappe.session.user, request.task_id, limit=NEWEST, wanted=WANTED)
	row = next((row for row in rows if row["status"] == "completed"), None)
	if row is None:
		return request
	provider = settings.provider(row["provider"] or "")
	if provider and row["model"] and not request.names_provider and row["mode"] == request.mode:
		if provider.allows(row["model"]):
			request = replace(request, provider=provider.name, model=row["model"])
	if request.provider and request.provider == row["provider"]:
		return replace(request, last_key=row["key_label"] or "")
	return request


def cache_key(user: str, task_id: str) -> str:
	"""Returns a key for the provider's cache: a hash that differs by user and task, and reveals neither."""
	names = f"{frappe.local.site}\0{user}\0{task_id}"
	return hashlib.sha256(names.encode(errors="surrogatepass")).hexdigest()[:32]
