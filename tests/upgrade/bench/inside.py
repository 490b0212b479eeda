"""Steps of the upgrade test that run in the bench's own Python, with any version of the app."""

import json
import os
import sys
from typing import Any


def version() -> str:
	import ai_assistant

	return ai_assistant.__version__


def configure(api_base: str) -> None:
	"""A provider with a key, and a setting that is not as the app ships it."""
	import frappe

	provider = frappe.get_doc(
		{
			"doctype": "AI Provider",
			"provider_name": "upgrade",
			"api": "openai",
			"api_base": api_base,
			"api_key": "sk-upgrade",
			"default_model": "scripted",
		}
	)
	provider.insert()
	frappe.db.set_single_value("AI Assistant Settings", "max_tokens", 777)


def chat() -> dict[str, Any]:
	from ai_assistant.api import chat_completion

	answer: Any = chat_completion(messages=[{"role": "user", "content": "hello"}])
	assert answer["status"] == "completed", answer
	return dict(answer)


def state_of(request_ids: list[str]) -> dict[str, Any]:
	"""All that is there of what was before."""
	import frappe
	from frappe.utils.password import get_decrypted_password

	from ai_assistant import store
	from ai_assistant.api import get_events, get_request

	try:
		from ai_assistant.config import settings
	except ImportError:
		# Where the first version has it.
		from ai_assistant.chat import settings  # type: ignore[no-redef]

	assert store.current()
	return {
		"answers": [get_request(request_id=request_id) for request_id in request_ids],
		"events": [get_events(request_id=request_id)["events"] for request_id in request_ids],  # type: ignore[index]
		"listed": sorted(frappe.get_list("AI Request", pluck="request_id", limit=0)),
		"key": get_decrypted_password("AI Provider", "upgrade", "api_key"),
		"providers": [provider.name for provider in settings.load().providers],
		"max_tokens": settings.load().limits.max_tokens,
	}


def counted() -> float:
	from ai_assistant import store
	from ai_assistant.operations import metrics

	metrics.tally()
	return store.current().sums()["requests", "completed"]


if __name__ == "__main__":
	import frappe

	# Not this folder.
	sys.path.pop(0)
	site, step, arguments = sys.argv[1:]
	frappe.init(site)
	frappe.connect()
	frappe.set_user("Administrator")
	# The app's key in site_config.json is for other tests.
	frappe.local.conf.pop("ai_assistant", None)
	steps: dict[str, Any] = {
		function.__name__: function for function in (version, configure, chat, state_of, counted)
	}
	answered = steps[step](**json.loads(arguments))
	frappe.db.commit()
	print(json.dumps(answered, default=str))
	sys.stdout.flush()
	# Threads of the gateway shall not hold it up.
	os._exit(0)
