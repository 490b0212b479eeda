"""The response of OpenAI's Responses API: its items, the fields that it copies from the request, and its outcome."""

import json
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Mapping
from typing import Any

from ai_assistant.gateway import freeform
from ai_assistant.gateway.surrogates import join_surrogates

from ..dialect import Parsed
from .errors import CODES, message_of
from .response_tools import CalledTool, called_tools

ID_PREFIX = "resp_"
ITEM_PREFIXES = {"reasoning": "rs", "message": "msg", "function_call": "fc", "custom_tool_call": "ctc"}
# The fields of the request that a response repeats, and the value if the request has none. Open Responses
# requires all.
REPEATED: dict[str, Any] = {
	"background": False,
	"frequency_penalty": 0,
	"instructions": None,
	"max_output_tokens": None,
	"max_tool_calls": None,
	"metadata": {},
	"parallel_tool_calls": True,
	"presence_penalty": 0,
	"previous_response_id": None,
	"prompt_cache_key": None,
	"reasoning": {"effort": None, "summary": None},
	"safety_identifier": None,
	"service_tier": "default",
	"store": True,
	"temperature": 1.0,
	"text": {"format": {"type": "text"}},
	"tool_choice": "auto",
	"tools": [],
	"top_logprobs": 0,
	"top_p": 1.0,
	"truncation": "disabled",
	"user": None,
}
SUMMARY = "summary"
TOOL = {"description": None, "parameters": None, "strict": False}


def whole(answer: dict[str, Any], parsed: Parsed, created: int) -> dict[str, Any]:
	"""Builds the response for the contract's answer object in any status."""
	request_id, output, status = answer["request_id"], [], "completed"
	if answer["reasoning"] or answer.get("continuation"):
		sealed = answer.get("continuation")
		output.append(reasoning_item(item_id("reasoning", request_id, 0), answer["reasoning"], sealed))
	if answer["response"]:
		output.append(message_item(item_id("message", request_id, 0), answer["response"], status))
	tools = tools_of(parsed)
	for n, call in enumerate(answer.get("tool_calls") or ()):
		output.append(call_of(request_id, n, call, tools))
	model = parsed.fields.get("model") or answer["model"]
	return {**resource(parsed, request_id, model, created), **outcome(answer, created), "output": output}


def item_id(kind: str, request_id: str, n: int) -> str:
	"""Returns the id of the nth item of its type in a response. The site finds the response by it."""
	return f"{ITEM_PREFIXES[kind]}_{request_id}_{n}"


def reasoning_item(identity: str, text: str, sealed: str | None = None) -> dict[str, Any]:
	item = {"type": "reasoning", "id": identity, "summary": [part("reasoning", text)] if text else []}
	return {**item, "encrypted_content": sealed} if sealed else item


def message_item(identity: str, text: str | None, status: str) -> dict[str, Any]:
	content = [] if text is None else [part("message", text)]
	return {"type": "message", "id": identity, "status": status, "role": "assistant", "content": content}


def tools_of(parsed: Parsed) -> Mapping[str, CalledTool]:
	"""Returns the tools of a request, by the names by which the model knows them."""
	return called_tools(parsed.options.get("repeated", {}).get("tools"))


def call_kind(name: str, tools: Mapping[str, CalledTool]) -> str:
	"""Returns the type of the item of a call."""
	return "custom_tool_call" if name in tools and tools[name].is_custom else "function_call"


def call_of(request_id: str, n: int, call: dict[str, Any], tools: Mapping[str, CalledTool]) -> dict[str, Any]:
	"""Returns the item of the nth call of a stored answer."""
	name, arguments = call["function"]["name"], call["function"]["arguments"]
	identity = item_id(call_kind(name, tools), request_id, n)
	return call_item(identity, call["id"], name, arguments, "completed", tools)


def call_item(
	identity: str, call_id: str, name: str, arguments: str, status: str, tools: Mapping[str, CalledTool]
) -> dict[str, Any]:
	"""Builds the item of a call, with the client's name of the tool. `arguments` of a custom tool are its input."""
	kind, tool = call_kind(name, tools), tools.get(name) or CalledTool(name)
	written = (
		{"input": freeform.input_of(arguments)} if kind == "custom_tool_call" else {"arguments": arguments}
	)
	namespace = {} if tool.namespace is None else {"namespace": tool.namespace}
	called = {"call_id": call_id, "name": tool.name, **namespace, **written}
	return {"type": kind, "id": identity, "status": status, **called}


def compaction(answer: dict[str, Any], created: int) -> dict[str, Any]:
	"""Builds the answer to `/responses/compact`: an item that replaces a conversation, for the answer with its summary.

	The content of the item is encoded, as clients expect, but not encrypted.
	"""
	request_id, text = answer["request_id"], json.dumps({SUMMARY: answer["response"]}, ensure_ascii=False)
	encoded = urlsafe_b64encode(text.encode()).decode()
	item = {"type": "compaction", "id": f"cmp_{request_id}", "encrypted_content": encoded}
	ids = {"id": f"{ID_PREFIX}{request_id}", "object": "response.compaction", "created_at": created}
	return {**ids, "output": [item], "usage": usage_of(answer.get("usage"))}


def summary_of(sealed: Any) -> str | None:
	"""Returns the summary in the content of a compaction item, None for an item of another server."""
	try:
		summary = json.loads(b64decode(sealed, altchars=b"-_", validate=True))[SUMMARY]
	except (ValueError, TypeError, LookupError, RecursionError):
		return None
	return join_surrogates(summary) if isinstance(summary, str) else None


def part(kind: str, text: str) -> dict[str, Any]:
	if kind == "reasoning":
		return {"type": "summary_text", "text": text}
	return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def resource(parsed: Parsed, request_id: str, model: str, created: int) -> dict[str, Any]:
	"""Builds a response without its output and its outcome."""
	repeated = {**REPEATED, **parsed.options.get("repeated", {})}
	repeated["tools"] = [
		{**TOOL, **tool} if tool.get("type") == "function" else tool for tool in repeated["tools"]
	]
	repeated["reasoning"] = {**REPEATED["reasoning"], **repeated["reasoning"]}
	repeated["text"] = {**REPEATED["text"], **repeated["text"]}
	ids = {"id": f"{ID_PREFIX}{request_id}", "object": "response", "created_at": created, "model": model}
	return {**ids, **repeated}


def outcome(answer: dict[str, Any], created: int) -> dict[str, Any]:
	"""Returns the outcome of a request: the fields of a response that are known at its end."""
	status, failed, why = answer["status"], answer.get("error"), None
	status = {"running": "in_progress"}.get(status, status)
	if status == "completed" and answer.get("finish_reason") == "length":
		status, why = "incomplete", "max_output_tokens"
	elif status == "failed" and failed and failed["code"] == "content_filtered":
		status, why, failed = "incomplete", "content_filter", None
	elif status != "failed":
		failed = None
	took_ms = (answer.get("timing") or {}).get("duration_ms") or 0
	return {
		"status": status,
		"completed_at": created + took_ms // 1000 if status == "completed" else None,
		"incomplete_details": why and {"reason": why},
		"error": failed and {"code": _code(failed["code"]), "message": message_of(failed)},
		"usage": usage_of(answer.get("usage")),
	}


def _code(code: str) -> str:
	"""Returns OpenAI's name for the error of a response, by which Codex decides whether it asks again."""
	own = {"invalid_request": "invalid_prompt", "busy": "server_is_overloaded"}
	return own.get(code) or CODES.get(code, "server_error")


def usage_of(usage: dict[str, Any] | None) -> dict[str, Any] | None:
	if not usage:
		return None
	cached, written = (usage.get(name) or 0 for name in ("cached_tokens", "cache_write_tokens"))
	return {
		"input_tokens": usage["prompt_tokens"],
		"input_tokens_details": {"cached_tokens": cached, "cache_write_tokens": written},
		"output_tokens": usage["completion_tokens"],
		"output_tokens_details": {"reasoning_tokens": usage["reasoning_tokens"]},
		"total_tokens": usage["total_tokens"],
	}
