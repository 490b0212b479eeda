"""Shortens a conversation: `POST /responses/compact` of OpenAI's Responses API.

The model writes a summary, which comes back as an item of type `compaction`. The next request sends this item in the
place of the conversation.
"""

import time
from dataclasses import replace

from frappe import _
from werkzeug.wrappers import Response

from ai_assistant.chat.errors import invalid
from ai_assistant.config import access

from .. import requests
from . import responses, stored_responses
from .response_object import ID_PREFIX, compaction_item, usage_of

PROMPT = (
	"Summarise the conversation so far for somebody who goes on with it and sees nothing else of it: what was asked, what"
	" was decided and found out, what was done, and what is left to do. Write only the summary."
)


def compact() -> Response:
	"""Answers with the conversation as one item. Raises ChatError."""
	started = time.monotonic()
	sent = requests.body()
	if not isinstance(sent.get("model"), str):
		raise invalid(_("{0} accepts the name of a model."), "model")
	parsed = stored_responses.read({**sent, "tools": None, "tool_choice": None, "stream": False})
	messages = [*parsed.fields["messages"], {"role": "user", "content": PROMPT}]
	parsed = replace(parsed, fields={**parsed.fields, "messages": messages})
	settings = access.load_permitted()
	request = requests.validated(parsed, settings)
	answer = requests.last(requests.chunks_of(request, parsed, settings, started))
	headers = {"X-Request-Id": request.request_id}
	if answer.get("error"):
		return requests.refusal(responses, answer["error"], headers)
	item = compaction_item(f"cmp_{request.request_id}", answer["response"])
	identity, created = f"{ID_PREFIX}{request.request_id}", int(time.time())
	named = {"id": identity, "object": "response.compaction", "created_at": created}
	body = {**named, "output": [item], "usage": usage_of(answer.get("usage"))}
	return requests.json_response(body, headers)
