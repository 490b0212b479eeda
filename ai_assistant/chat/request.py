"""Takes a client's fields apart: what comes out is safe to store, to log and to send."""

import hashlib
import json
import math
import re
import unicodedata
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from frappe import _

from ai_assistant.gateway import ProviderError

from .errors import ChatError, invalid
from .settings import EFFORTS, Mode, Settings

ROLES = ("system", "user", "assistant")
REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")
# What `*` allows: a name is shown in Desk and sent on, so it is no markup and breaks no line.
MODEL = re.compile(r"[\w.:/@+ -]{1,140}")
MAX_TASK_ID = 140
# Parts cost time however short they are: 50,000 empty ones kept litellm, and so all chats, busy for 5 s.
MAX_PARTS = 500
# What JSON makes of a character at most (two escaped surrogates), and of a message or part around its text.
CHARS_A_CHAR, CHARS_AROUND = 12, 1000
MESSAGE = "{role, content}"


@dataclass(frozen=True)
class ChatRequest:
	"""One valid request, complete with the mode's defaults."""

	request_id: str
	task_id: str
	mode: str
	messages: list[dict[str, Any]]
	provider: str | None
	model: str | None
	temperature: float | None
	max_tokens: int | None
	reasoning_effort: str | None
	background: bool
	fingerprint: str
	"""The same for the same question of a client, whatever the site's configuration has become since."""


def validate(fields: Mapping[str, Any], settings: Settings) -> ChatRequest:
	"""The request in `fields` (the parameters of chat_completion by name).

	Raises ChatError `invalid_request` naming the field and what it accepts, and `not_configured` on a site
	without providers. Nothing has been done by then.
	"""
	given = {name: None if value == "" else value for name, value in fields.items()}
	if given.get("tools") is not None or given.get("tool_choice") is not None:
		raise invalid("tools and tool_choice are not accepted yet; leave them out.")
	if not settings.providers:
		raise ChatError("not_configured", _(ProviderError("none").template))

	request_id = request_id_of(given.get("request_id")) or str(uuid.uuid4())
	name = _one_of(given.get("mode") or "chat", "mode", list(settings.modes))
	mode = settings.modes[name]
	provider = given.get("provider")
	if provider is not None:
		provider = _one_of(provider, "provider", [each.name for each in settings.providers])
	effort = given.get("reasoning_effort")
	own = {
		"task_id": task_id_of(given.get("task_id")) or request_id,
		"mode": name,
		"messages": _messages(given.get("messages"), settings),
		"provider": provider,
		"model": _model(given.get("model"), provider, settings),
		"temperature": real_number(given.get("temperature"), "temperature", 0, 2),
		"max_tokens": whole_number(given.get("max_tokens"), "max_tokens", 1, settings.limits.max_tokens),
		"reasoning_effort": None if effort is None else _one_of(effort, "reasoning_effort", EFFORTS),
	}
	background = _flag(given.get("background"), "background")
	fingerprint = hashlib.sha256(json.dumps(own, sort_keys=True).encode()).hexdigest()
	complete = _with_defaults(own, mode, settings)
	return ChatRequest(request_id=request_id, background=background, fingerprint=fingerprint, **complete)


def _with_defaults(own: dict[str, Any], mode: Mode, settings: Settings) -> dict[str, Any]:
	"""The client's fields, and the mode's where it left them out."""
	provider, default = own["provider"], settings.default
	if provider is None and settings.provider(mode.provider or ""):
		provider = mode.provider
	model = own["model"] or _mode_model(mode.model, provider, settings)
	if provider is None and default and (model is None or default.allows(model)):
		provider = default.name
	messages = own["messages"]
	if mode.system_prompt:
		messages = [{"role": "system", "content": mode.system_prompt}, *messages]
	return {
		**own,
		"messages": messages,
		"provider": provider,
		"model": model,
		"temperature": mode.temperature if own["temperature"] is None else own["temperature"],
		"reasoning_effort": mode.reasoning_effort
		if own["reasoning_effort"] is None
		else own["reasoning_effort"],
	}


def request_id_of(given: Any) -> str | None:
	"""A request id as a client may send it, None where it sent none."""
	if given is None or given == "":
		return None
	if not isinstance(given, str) or not REQUEST_ID.fullmatch(given):
		raise invalid("request_id accepts 8 to 64 characters of A-Z, a-z, 0-9, _ and -.")
	return given


def task_id_of(given: Any) -> str | None:
	"""A task id as a client may send it, None where it sent none."""
	if given is None or given == "":
		return None
	# A line separator is no control character to Unicode; to a log it is one all the same.
	forbidden = ("Cc", "Cs", "Zl", "Zp")
	if (
		not isinstance(given, str)
		or not 1 <= len(given) <= MAX_TASK_ID
		or any(unicodedata.category(char) in forbidden for char in given)
	):
		raise invalid("task_id accepts 1 to {0} characters without control characters.", MAX_TASK_ID)
	return given


def whole_number(given: Any, name: str, low: int, high: int) -> int | None:
	"""A whole number from `low` to `high`, as a number or in digits; None where none was sent."""
	try:
		number = real_number(given, name, low, high)
	except ChatError:
		number = math.nan
	if number is not None and not number.is_integer():
		raise invalid("{0} accepts a whole number from {1} to {2}.", name, low, high)
	return None if number is None else int(number)


def _messages(given: Any, settings: Settings) -> list[dict[str, Any]]:
	limits = settings.limits
	if isinstance(given, str):
		longest = CHARS_A_CHAR * limits.max_chars + CHARS_AROUND * (limits.max_messages + MAX_PARTS)
		if len(given) > longest:
			raise invalid(
				"messages accepts at most {0} characters of JSON; these are {1}.", longest, len(given)
			)
		try:
			given = json.loads(given)
		except (ValueError, RecursionError):
			raise invalid("messages accepts a list of {0}, or the same as a JSON string.", MESSAGE) from None
	if not isinstance(given, list) or not given:
		raise invalid("messages accepts a list of at least one {0}.", MESSAGE)
	if len(given) > limits.max_messages:
		raise invalid("messages accepts at most {0} messages.", limits.max_messages)
	# Counted before anything is looked into.
	contents = [each.get("content") for each in given if isinstance(each, dict)]
	parts = sum(len(content) for content in contents if isinstance(content, list))
	if parts > MAX_PARTS:
		raise invalid("messages accepts at most {0} content parts in all; these are {1}.", MAX_PARTS, parts)
	size = sum(_size(content) for content in contents)
	if size > limits.max_chars:
		raise invalid(
			"messages accepts at most {0} characters in all; these are {1}.", limits.max_chars, size
		)
	return [_message(each, f"messages[{n}]") for n, each in enumerate(given)]


def _message(given: Any, where: str) -> dict[str, Any]:
	if not isinstance(given, dict):
		raise invalid("{0} accepts an object with role and content.", where)
	role = _one_of(given.get("role"), f"{where}.role", ROLES)
	content = given.get("content")
	if isinstance(content, str):
		return {"role": role, "content": _utf8(content)}
	if not isinstance(content, list) or not content:
		raise invalid("{0}.content accepts a string or a list of content parts.", where)
	return {"role": role, "content": [_part(each, f"{where}.content[{n}]") for n, each in enumerate(content)]}


def _part(given: Any, where: str) -> dict[str, str]:
	if not isinstance(given, dict) or given.get("type") != "text" or not isinstance(given.get("text"), str):
		raise invalid("{0} accepts an object {1}.", where, '{"type": "text", "text": string}')
	return {"type": "text", "text": _utf8(given["text"])}


def _size(content: Any) -> int:
	"""The characters of a message's content, whatever else may be wrong with it."""
	if isinstance(content, str):
		return len(content)
	parts = content if isinstance(content, list) else []
	texts = (part.get("text") for part in parts if isinstance(part, dict))
	return sum(len(text) for text in texts if isinstance(text, str))


def _utf8(text: str) -> str:
	"""Without lone surrogates, which JSON can carry and no provider, database or socket can."""
	try:
		text.encode()
	except UnicodeEncodeError:
		return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
	return text


def _model(given: Any, provider: str | None, settings: Settings) -> str | None:
	if given is None:
		return None
	asked = [each for each in settings.providers if provider in (None, each.name)]
	if isinstance(given, str):
		if any(given in each.models for each in asked if given != "*"):
			return given
		if MODEL.fullmatch(given) and any(each.allows(given) for each in asked):
			return given
	allowed = sorted({model for each in asked for model in each.models})
	raise invalid("model accepts one of: {0}.", ", ".join(allowed))


def _mode_model(model: str | None, provider: str | None, settings: Settings) -> str | None:
	"""The mode's model, where whoever is asked allows it: a client may prefer a provider that does not have it."""
	asked = [each for each in settings.providers if provider in (None, each.name)]
	return model if model and any(each.allows(model) for each in asked) else None


def _one_of(given: Any, name: str, accepted: list[str] | tuple[str, ...]) -> str:
	if not isinstance(given, str) or given not in accepted:
		raise invalid("{0} accepts one of: {1}.", name, ", ".join(accepted))
	return given


def real_number(given: Any, name: str, low: float, high: float) -> float | None:
	"""A number from `low` to `high`, also as a string; None where none was sent."""
	if given is None:
		return None
	try:
		number = math.nan if isinstance(given, bool) else float(given)
	except (TypeError, ValueError, OverflowError):
		number = math.nan
	if not low <= number <= high:
		raise invalid("{0} accepts a number from {1} to {2}.", name, low, high)
	return number


def _flag(given: Any, name: str) -> bool:
	"""A boolean, also as the forms of a form-encoded client."""
	known = {None: False, False: False, True: True, "0": False, "1": True, "false": False, "true": True}
	key = given.lower() if isinstance(given, str) else given
	if isinstance(key, list | dict) or key not in known:
		raise invalid("{0} accepts true or false.", name)
	return known[key]
