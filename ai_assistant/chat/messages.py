"""Validates the messages of a conversation. It keeps the fields of the OpenAI chat API and drops all others.

Numbers and sizes are checked before any content.
"""

import re
from collections.abc import Iterable, Sequence
from itertools import takewhile
from typing import Any
from urllib.parse import urlsplit

from frappe import _

from ai_assistant.gateway.attachments import parts_of
from ai_assistant.gateway.surrogates import join_surrogates

from . import documents
from .errors import ChatError, invalid
from .validators import decoded, listed, one_of

ROLES = ("system", "user", "assistant", "tool", "developer")
MESSAGE = "{role, content}"
# Even empty parts cost time: with 50,000 of them litellm blocked all chats for 5 s. An editor sends each message as one
# part, and an agent that runs for hours makes thousands of calls.
MAX_PARTS = 10_000
MAX_CALLS = 10_000
# What the messages may have where no model's window is known.
MAX_CHARS = 400_000
# The names of tools, and the ids that providers give to calls. OpenAI accepts names of 64 characters, Anthropic of 128. A
# tool of an MCP server often has a long name in Claude Code.
NAME = re.compile(r"[A-Za-z0-9_-]{1,128}")
CALL_ID = re.compile(r"[!-~]{1,512}")
# A continuation is base64 of reasoning that the provider encrypted or signed, so it is as long as the reasoning.
CONTINUATION = re.compile(r"[A-Za-z0-9+/_=-]+")
MAX_CONTINUATION = 4_000_000
# The question of a queued request is one value of at most 16 MiB in MariaDB; Frappe accepts a body of 25 MiB.
MAX_IMAGES, MAX_IMAGE_MB, MAX_IMAGE_CHARS = 20, 5, 8_000_000
DATA_URL = re.compile(r"data:[^,]{0,100};base64,")
# The first bytes of an image tell its type. Providers refuse one whose label names another type.
IMAGES = {
	"png": re.compile(rb"\x89PNG\r\n\x1a\n"),
	"jpeg": re.compile(rb"\xff\xd8\xff"),
	"gif": re.compile(rb"GIF8[79]a"),
	"webp": re.compile(rb"RIFF.{4}WEBP", re.DOTALL),
}
MAX_URL = 2048
URL = re.compile(r"[!-~]+")
DETAILS = ("auto", "low", "high")
# The most characters of JSON for one character (two escaped surrogates), and around the text of a message or part.
CHARS_PER_CHAR, CHARS_AROUND = 12, 400


class TooManyCharacters(ChatError):
	"""The messages have more characters than a request may have."""

	def __init__(self, characters: int, most: int) -> None:
		self.characters, self.most = characters, most
		message = _("messages accepts at most {0} {1} in all; these are {2}.")
		super().__init__("invalid_request", message.format(most, "characters", characters))


def messages_of(value: Any, max_messages: int, max_chars: int) -> list[dict[str, Any]]:
	"""Validates messages, sent as a list or as a JSON string.

	Args:
		value: what was sent.
		max_messages: the most messages.
		max_chars: the most characters in all of them.

	Raises:
		ChatError: `invalid_request`; a TooManyCharacters if that is what is wrong.
	"""
	longest = CHARS_PER_CHAR * max_chars + CHARS_AROUND * (max_messages + MAX_PARTS + MAX_CALLS)
	longest += MAX_IMAGE_CHARS + MAX_CONTINUATION
	value = listed(value, "messages", longest, MESSAGE)
	if len(value) > max_messages:
		raise invalid(_("messages accepts at most {0} messages."), max_messages)
	_count(value, max_chars)
	messages = [_message(message, f"messages[{n}]") for n, message in enumerate(value)]
	_pair(messages)
	return messages


def with_system_prompt(prompt: str | None, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
	"""Puts the system prompt into the first message. Many models refuse a second system message.

	The content is one text, unless a client has set cache markers in it.
	"""
	own = [*takewhile(lambda message: message["role"] == "system", messages)]
	parts = [part for message in own for part in parts_of(message["content"])]
	content: Any
	if any("cache_control" in part for part in parts):
		content = [*(parts_of(prompt) if prompt else []), *parts]
	else:
		texts = ["".join(part["text"] for part in parts_of(message["content"])) for message in own]
		content = "\n\n".join(text for text in [prompt, *texts] if text)
	first = [{"role": "system", "content": content}] if content else []
	return [*first, *messages[len(own) :]]


def _count(messages: list[Any], max_chars: int) -> None:
	"""Checks the sizes before anything else, so that a large request costs little."""
	objects = [message for message in messages if isinstance(message, dict)]
	parts = [part for message in objects for part in _list(message.get("content"))]
	calls = [call for message in objects for call in _list(message.get("tool_calls"))]
	images = [part for part in parts if isinstance(part, dict) and part.get("type") == "image_url"]
	texts = [message.get("content") for message in objects]
	texts += [part.get("text") for part in parts if isinstance(part, dict)]
	texts += [value for call in calls for value in _function(call).values()]
	urls: Sequence[Any] = [
		image["image_url"].get("url") for image in images if isinstance(image.get("image_url"), dict)
	]
	files: Sequence[Any] = [data for part in parts if (data := documents.data_of(part)) is not None]
	continuations = [message.get("continuation") for message in objects]
	characters = _chars(texts)
	if characters > max_chars:
		raise TooManyCharacters(characters, max_chars)
	for count, most, what in (
		(len(parts), MAX_PARTS, "content parts"),
		(len(calls), MAX_CALLS, "tool calls"),
		(len(images), MAX_IMAGES, "images"),
		(_chars(urls), MAX_IMAGE_CHARS, "characters of images"),
		(len(files), documents.MAX_FILES, "files"),
		(_chars([*urls, *files]), MAX_IMAGE_CHARS, "characters of images and files"),
		(_chars(continuations), MAX_CONTINUATION, "characters of continuation"),
	):
		if count > most:
			raise invalid(_("messages accepts at most {0} {1} in all; these are {2}."), most, what, count)


def _chars(values: Iterable[Any]) -> int:
	return sum([len(value) for value in values if isinstance(value, str)])


def _list(value: Any) -> list[Any]:
	return value if isinstance(value, list) else []


def _function(call: Any) -> dict[Any, Any]:
	function = call.get("function") if isinstance(call, dict) else None
	return function if isinstance(function, dict) else {}


def _message(message_sent: Any, where: str) -> dict[str, Any]:
	if not isinstance(message_sent, dict):
		raise invalid(_("{0} accepts an object with role and content."), where)
	role = one_of(message_sent.get("role"), f"{where}.role", ROLES)
	if role == "developer":
		# OpenAI renamed the role.
		role = "system"
	content, calls = message_sent.get("content"), None
	if role == "assistant" and message_sent.get("tool_calls") is not None:
		calls = _calls(message_sent["tool_calls"], f"{where}.tool_calls")
	message: dict[str, Any] = {"role": role}
	if role == "assistant" and content in (None, "", []):
		# A cancelled turn may be empty.
		message["content"] = None if calls else ""
	elif isinstance(content, str):
		message["content"] = join_surrogates(content)
	elif isinstance(content, list) and content:
		parts = enumerate(content)
		message["content"] = [_part(part, f"{where}.content[{n}]", role == "user") for n, part in parts]
	else:
		raise invalid(_("{0}.content accepts a string or a list of content parts."), where)
	if calls:
		message["tool_calls"] = calls
	if role == "tool":
		message["tool_call_id"] = _call_id(message_sent.get("tool_call_id"), f"{where}.tool_call_id")
	if role == "assistant" and message_sent.get("continuation") is not None:
		message["continuation"] = _continuation(message_sent["continuation"], f"{where}.continuation")
	return message


def _part(part: Any, where: str, attachments: bool) -> dict[str, Any]:
	if isinstance(part, dict) and part.get("type") == "text" and isinstance(part.get("text"), str):
		return {"type": "text", "text": join_surrogates(part["text"]), **cache_marker(part, where)}
	text, image = '{"type": "text", "text": string}', '{"type": "image_url", "image_url": {"url": string}}'
	if not attachments:
		raise invalid(_("{0} accepts an object {1}."), where, text)
	if isinstance(part, dict) and part.get("type") in ("file", "input_audio"):
		return {**documents.part_of(part, where), **cache_marker(part, where)}
	if not isinstance(part, dict) or part.get("type") != "image_url":
		others = f"{text}, {image}, {documents.FILE}"
		raise invalid(_("{0} accepts an object {1} or {2}."), where, others, documents.AUDIO)
	image_url = _image(part.get("image_url"), f"{where}.image_url")
	return {"type": "image_url", "image_url": image_url, **cache_marker(part, where)}


def cache_marker(part: dict[Any, Any], where: str) -> dict[str, Any]:
	"""Returns the `cache_control` of a content part or a tool, up to which the provider caches; empty if it has none."""
	marker = part.get("cache_control")
	if marker is None:
		return {}
	if not isinstance(marker, dict) or marker.get("type") != "ephemeral":
		raise invalid(
			_('{0}.cache_control accepts an object {{"type": "ephemeral", "ttl": "5m" or "1h"}}.'), where
		)
	if marker.get("ttl") is None:
		return {"cache_control": {"type": "ephemeral"}}
	ttl = one_of(marker["ttl"], f"{where}.cache_control.ttl", ("5m", "1h"))
	return {"cache_control": {"type": "ephemeral", "ttl": ttl}}


def _image(value: Any, where: str) -> dict[str, str]:
	if not isinstance(value, dict):
		raise invalid(_('{0} accepts an object {{"url": string}}.'), where)
	image = {"url": _image_url(value.get("url"), f"{where}.url")}
	if value.get("detail") is not None:
		image["detail"] = one_of(value["detail"], f"{where}.detail", DETAILS)
	return image


def _image_url(url: Any, where: str) -> str:
	if isinstance(url, str) and (head := DATA_URL.match(url)):
		data = decoded(url[head.end() :])
		if not data:
			raise invalid(_("{0} is no valid base64."), where)
		if len(data) > MAX_IMAGE_MB * 2**20:
			raise invalid(_("{0} accepts at most {1} MB an image."), where, MAX_IMAGE_MB)
		for kind, begins in IMAGES.items():
			if begins.match(data):
				return f"data:image/{kind};base64,{url[head.end() :]}"
	if not isinstance(url, str) or not _is_link(url):
		raise invalid(
			_(
				"{0} accepts an https address of at most {1} characters, or a data URL with the base64 of a PNG, JPEG, GIF or"
				" WebP."
			),
			where,
			MAX_URL,
		)
	return url


def _is_link(url: str) -> bool:
	if len(url) > MAX_URL or not URL.fullmatch(url):
		return False
	try:
		parts = urlsplit(url)
		# Reading a malformed port raises an error.
		_ = parts.port
	except ValueError:
		return False
	# A URL with a user name or password must not reach a provider.
	return parts.scheme == "https" and bool(parts.hostname) and parts.username is None


def _calls(values: Any, where: str) -> list[dict[str, Any]]:
	if not isinstance(values, list) or not values:
		raise invalid(_("{0} accepts a list of at least one tool call, or is left out."), where)
	calls = [_call(call, f"{where}[{n}]") for n, call in enumerate(values)]
	if len({call["id"] for call in calls}) < len(calls):
		raise invalid(_("{0} accepts each id once."), where)
	return calls


def _call(call: Any, where: str) -> dict[str, Any]:
	"""Validates a tool call, and drops the `arguments_error` that an answer of this site may contain."""
	if not isinstance(call, dict) or call.get("type", "function") != "function":
		raise invalid(_('{0} accepts an object {{"id", "type": "function", "function"}}.'), where)
	function = call.get("function")
	if not isinstance(function, dict) or not isinstance(function.get("arguments"), str):
		raise invalid(_('{0}.function accepts an object {{"name", "arguments"}} of two strings.'), where)
	name = plain_name(function.get("name"), f"{where}.function.name")
	called = {"name": name, "arguments": join_surrogates(function["arguments"])}
	return {"id": _call_id(call.get("id"), f"{where}.id"), "type": "function", "function": called}


def plain_name(value: Any, where: str) -> str:
	if not isinstance(value, str) or not NAME.fullmatch(value):
		raise invalid(_("{0} accepts 1 to 128 characters of A-Z, a-z, 0-9, _ and -."), where)
	return value


def _call_id(value: Any, where: str) -> str:
	if not isinstance(value, str) or not CALL_ID.fullmatch(value):
		raise invalid(_("{0} accepts the id of a tool call: 1 to 512 visible ASCII characters."), where)
	return value


def _continuation(value: Any, where: str) -> str:
	if not isinstance(value, str) or not CONTINUATION.fullmatch(value):
		raise invalid(_("{0} accepts the string of an earlier answer, unchanged."), where)
	return value


def _pair(messages: list[dict[str, Any]]) -> None:
	"""Checks that each call of an assistant message has one tool message before the next other message."""
	open_calls: dict[str, str] = {}
	for n, message in enumerate(messages):
		if message["role"] == "tool":
			if open_calls.pop(message["tool_call_id"], None) is None:
				raise invalid(
					_(
						"messages[{0}].tool_call_id accepts the id of a call in the assistant message before it, each once."
					),
					n,
				)
			continue
		_all_answered(open_calls)
		calls = message.get("tool_calls", [])
		open_calls = {call["id"]: f"messages[{n}].tool_calls[{i}]" for i, call in enumerate(calls)}
	_all_answered(open_calls)


def _all_answered(open_calls: dict[str, str]) -> None:
	for where in open_calls.values():
		raise invalid(
			_("{0} needs the tool message that answers it, right after its assistant message."), where
		)
