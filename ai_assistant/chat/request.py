"""Validates the fields of a client. The result is safe to store, to log and to send."""

import json
import re
import unicodedata
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import frappe
from frappe import _

from ai_assistant.config.settings import ConfiguredProvider, Limits, Mode, Settings
from ai_assistant.gateway import Ask, Gateway, ProviderError, context_window, tracing
from ai_assistant.gateway.attachments import parts_of
from ai_assistant.gateway.efforts import EFFORTS

from . import options, reference
from .errors import ChatError, invalid, translated
from .fingerprint import fingerprint_of
from .messages import MAX_CHARS, TooManyCharacters, messages_of, with_system_prompt
from .tools import choice_of, tools_of
from .validators import flag, one_of, real_number, whole_number

REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")
# The models that `*` allows. A name is shown in Desk, so it has no markup and no line break. Some APIs have it in their
# URLs, and litellm may take a name for a URL, so it must not lead to another path or host.
MODEL = re.compile(r"(?!.*(?://|\.\.))[\w.:/@+ -]{1,140}")
MAX_TASK_ID = 140
CHARS_PER_TOKEN = 4
# About 500 rounds of an agent with 30 kB each. Most of it is left out before the provider is asked.
MAX_TRIMMED_CHARS = 15_000_000
# An answer that is longer than its tokens allow comes from a provider that does not count them.
ANSWER_CHARS_PER_TOKEN, SPARE_CHARS = 20, 4096
# The question of a queued request is one value in MariaDB, whose max_allowed_packet is 16 MiB by default.
MAX_QUEUED_BYTES = 16_000_000
# The longest text of a Data field in Frappe.
MAX_EXCERPT = 140
FIELDS = {
	*("messages", "mode", "task_id", "request_id", "provider", "model", "temperature", "max_tokens"),
	*("reasoning_effort", "background", "tools", "tool_choice", "stream_tool_calls"),
	*options.FIELDS,
	*reference.FIELDS,
}
# The names of unknown fields that the client is told, and how many of them.
FIELD, MAX_UNKNOWN = re.compile(r"[\w.-]{1,64}", re.ASCII), 30


@dataclass(frozen=True, kw_only=True)
class ChatRequest(Ask):
	"""One valid request: the question as the gateway takes it, with the mode's defaults, and what this app does with it.

	`provider` is asked first. `fingerprint` is equal for equal requests of a client, whatever the site's settings are.
	`publishes` is whether its events go to the user's sockets. `metadata` is the client's own and is not sent to a
	provider. `unknown` names the fields that the client sent and this app does not know.
	`sent` is what a standard API keeps with the request for clients that come back to it, as JSON values.
	`keeps_chunks` is whether its events keep the chunks of its direct stream, so that the stream can be sent again.
	`site_tools` names the tools of the site that the model may call.
	`reference_doctype` and `reference_name` name the document to which the request belongs.
	`trace` has the headers of the trace to which the request belongs, None if the process exports no spans.
	`keeps_question` is whether its question may be kept, if the site keeps questions.
	`names_id` is whether the client chose the `request_id`, so that an earlier request may have the same.
	`names_provider` is whether the client named a provider or a model, so that the task's earlier provider does not
	matter. `last_key` is the label of the key with which `provider` answered the task last.
	"""

	request_id: str
	task_id: str
	mode: str
	provider: str | None
	background: bool
	fingerprint: str
	publishes: bool = True
	sent: dict[str, Any] | None = None
	keeps_chunks: bool = False
	metadata: dict[str, str] | None = None
	unknown: tuple[str, ...] = ()
	names_id: bool = True
	names_provider: bool = True
	last_key: str = ""
	reference_doctype: str | None = None
	reference_name: str | None = None
	trace: dict[str, str] | None = None
	site_tools: tuple[str, ...] = ()
	keeps_question: bool = True

	def begin_trace(self) -> tracing.Trace | None:
		"""Begins the span of the request. None if the process exports no spans."""
		ids = {"request_id": self.request_id, "mode": self.mode}
		return tracing.begin(self.model, self.task_id, self.trace, **ids)

	@property
	def is_continuation(self) -> bool:
		"""Whether the last message answers a tool call, so that a program asks and not a person."""
		return bool(self.messages) and self.messages[-1]["role"] == "tool"

	@property
	def new_messages(self) -> list[dict[str, Any]]:
		"""The messages that the request adds to its task: those after the last answer, without the system prompt."""
		roles = [message["role"] for message in self.messages]
		after = len(roles) - roles[::-1].index("assistant") if "assistant" in roles else 0
		return [message for message in self.messages[after:] if message["role"] != "system"]

	@property
	def excerpt(self) -> str | None:
		"""The beginning of the last question on one line; None if it has no text."""
		asked = (message["content"] for message in reversed(self.messages) if message["role"] == "user")
		words = " ".join(" ".join(part.get("text") or "" for part in parts_of(next(asked, ""))).split())
		return words[:MAX_EXCERPT] or None


def validate(
	fields: Mapping[str, Any],
	settings: Settings,
	more_modes: Mapping[str, Mode] | None = None,
	publishes: bool = True,
) -> ChatRequest:
	"""Validates the `fields`, which are the parameters of chat_completion by name.

	It has no effects.

	Args:
		fields: the parameters of chat_completion by name.
		settings: what the request may use.
		more_modes: modes by name that the request may have as well, unless the settings have a mode of the same name.
		publishes: whether the events of the request go to the user's sockets.

	Raises:
		ChatError: `invalid_request`, which names the field and what it accepts; `context_too_long`; and the errors of
			`be_ready`.
	"""
	values = {name: None if value == "" else value for name, value in fields.items()}
	be_ready(settings, values.get("provider"))

	own_id = request_id_of(values.get("request_id"))
	request_id = own_id or str(uuid.uuid4())
	modes = {**(more_modes or {}), **settings.modes}
	name = one_of(values.get("mode") or "chat", "mode", list(modes))
	mode = modes[name]
	provider = values.get("provider")
	if provider is not None:
		provider = one_of(provider, "provider", [configured.name for configured in settings.providers])
	effort = values.get("reasoning_effort")
	model = _model(values.get("model"), provider, settings)
	# An alias is resolved, but not in `own`: so the fingerprint stays the same if the alias gets another model.
	route = _route(provider, model, mode, settings)
	own: dict[str, Any] = {
		"task_id": task_id_of(values.get("task_id")) or request_id,
		"mode": name,
		"messages": _messages(values.get("messages"), *route, mode, settings),
		"provider": provider,
		"model": model,
		"temperature": real_number(values.get("temperature"), "temperature", 0, 2),
		"max_tokens": whole_number(values.get("max_tokens"), "max_tokens", 1, settings.limits.max_tokens),
		"reasoning_effort": None if effort is None else one_of(effort, "reasoning_effort", EFFORTS),
	}
	tools = tools_of(values.get("tools"))
	if tools:
		own.update(tools=tools, tool_choice=choice_of(values.get("tool_choice"), tools))
	elif values.get("tool_choice") is not None:
		raise invalid(_("tool_choice accepts a value beside tools alone; leave it out."))
	own |= options.checked(values) | reference.reference_of(values)
	background = flag(values.get("background"), "background")
	if background and len(json.dumps(own)) > MAX_QUEUED_BYTES:
		raise invalid(_("messages accepts at most {0} bytes of JSON in the background."), MAX_QUEUED_BYTES)
	return ChatRequest(
		request_id=request_id,
		names_id=own_id is not None,
		background=background,
		fingerprint=fingerprint_of(own),
		stream_tool_calls=flag(values.get("stream_tool_calls"), "stream_tool_calls"),
		unknown=_unknown(values),
		publishes=publishes,
		trace=tracing.carrier(getattr(getattr(frappe.local, "request", None), "headers", {})),
		**_with_defaults(own, *route, mode),
	)


def _unknown(fields: Mapping[str, Any]) -> tuple[str, ...]:
	"""Returns the names of the fields that were sent and are not read. A name that cannot be shown is left out."""
	names = sorted(name for name, value in fields.items() if name not in FIELDS and value is not None)
	return tuple(name for name in names if FIELD.fullmatch(name))[:MAX_UNKNOWN]


def be_ready(settings: Settings, provider: Any = None) -> None:
	"""Raises ChatError `not_configured` if the site can answer no chat or the `provider` is set aside, `not_permitted` if all models are denied."""
	if settings.no_chats:
		raise ChatError("not_configured", settings.no_chats)
	of_provider = settings.why_not(provider) if isinstance(provider, str) else None
	if of_provider:
		message = _("Provider {0} cannot be used: {1}")
		raise ChatError("not_configured", message.format(provider, of_provider))
	if not settings.providers and settings.is_limited:
		raise ChatError("not_permitted", _("Your roles, or the AI Key, permit none of the site's models."))
	if not settings.providers:
		reasons = (f"{name}: {reason}" for name, reason in settings.set_aside)
		raise ChatError("not_configured", " ".join([translated(ProviderError("none")), *reasons]))


def _with_defaults(
	own: dict[str, Any], provider: str | None, model: str | None, mode: Mode
) -> dict[str, Any]:
	"""Returns the client's fields with the provider and the model to ask for, and the defaults of the mode."""
	defaults = ("temperature", "reasoning_effort")
	return {
		**own,
		"messages": with_system_prompt(mode.system_prompt, own["messages"]),
		"names_provider": own["provider"] is not None or own["model"] is not None,
		"provider": provider,
		"model": model or "",
		"trim": mode.trim,
		"compact": mode.compact,
		"site_tools": mode.tools,
		**{name: getattr(mode, name) for name in defaults if own[name] is None},
	}


def _route(
	provider: str | None, model: str | None, mode: Mode, settings: Settings
) -> tuple[str | None, str | None]:
	"""Returns the provider and the model to ask for, from those of the client, the mode and the site."""
	alias = settings.aliases.get(model or "")
	if alias and provider in (None, alias.provider):
		provider, model = alias.provider, alias.model
	if provider is None and settings.provider(mode.provider or ""):
		provider = mode.provider
	# A client can prefer a provider that does not allow the mode's model.
	if model is None and mode.model and is_allowed(mode.model, provider, settings):
		model = mode.model
	if provider is None and (default := settings.default) and (model is None or default.allows(model)):
		provider = default.name
	return provider, model


def _messages(
	value: Any, provider: str | None, model: str | None, mode: Mode, settings: Settings
) -> list[dict[str, Any]]:
	"""Validates messages as `messages_of` does. Raises ChatError `context_too_long` if no model's window holds them."""
	try:
		return messages_of(value, settings.limits.max_messages, max_chars_of(provider, model, mode, settings))
	except TooManyCharacters as error:
		candidates = Gateway(settings.providers).route(provider, model)
		sizes = [context_window(*candidate) for candidate in candidates]
		window = max((size for size in sizes if size is not None), default=0)
		if error.most != CHARS_PER_TOKEN * window:
			# The limit is another one.
			raise
		first, first_model = candidates[sizes.index(window)]
		names = {"provider": first.name, "model": first_model}
		tokens = -(-error.characters // CHARS_PER_TOKEN)
		too_long = ProviderError("exceeds_window", tokens=tokens, limit=window, **names)
		raise ChatError("context_too_long", translated(too_long)) from None


def max_chars_of(provider: str | None, model: str | None, mode: Mode | None, settings: Settings) -> int:
	"""Returns the most characters that the messages of a request may have.

	If the site sets no limit, it is what the largest context window of the models that may be asked holds. In a mode that
	leaves out what does not fit, or lets the provider compact it, it is MAX_TRIMMED_CHARS.

	Args:
		provider: who is asked first, None for the site's first.
		model: the model that is asked first, None for the provider's default.
		mode: the mode of the request, None for one that is not configured any more.
		settings: the site's settings.
	"""
	if settings.limits.max_chars:
		return settings.limits.max_chars
	if mode and (mode.trim or mode.compact):
		return MAX_TRIMMED_CHARS
	candidates = Gateway(settings.providers).route(provider, model)
	windows = (context_window(*candidate) for candidate in candidates)
	return max(CHARS_PER_TOKEN * window if window else MAX_CHARS for window in windows)


def most_answer_chars(request: ChatRequest, limits: Limits) -> int:
	"""Returns the most characters of an answer: the site's limit, or fewer if the request's `max_tokens` allows fewer."""
	if request.max_tokens is None:
		return limits.max_answer_chars
	return min(limits.max_answer_chars, SPARE_CHARS + ANSWER_CHARS_PER_TOKEN * request.max_tokens)


def request_id_of(value: Any) -> str | None:
	"""Validates a request id. None means that none was sent."""
	if value is None or value == "":
		return None
	if not isinstance(value, str) or not REQUEST_ID.fullmatch(value):
		raise invalid(_("request_id accepts 8 to 64 characters of A-Z, a-z, 0-9, _ and -."))
	return value


def task_id_of(value: Any) -> str | None:
	"""Validates a task id. None means that none was sent."""
	if value is None or value == "":
		return None
	# Unicode does not count line separators as control characters, but they break a line of a log.
	forbidden = ("Cc", "Cs", "Zl", "Zp")
	if (
		not isinstance(value, str)
		or not 1 <= len(value) <= MAX_TASK_ID
		or any(unicodedata.category(char) in forbidden for char in value)
	):
		raise invalid(_("task_id accepts 1 to {0} characters without control characters."), MAX_TASK_ID)
	return value


def _model(value: Any, provider: str | None, settings: Settings) -> str | None:
	"""Validates a model or alias. None means that none was sent. Raises ChatError `invalid_request`."""
	if value is None:
		return None
	alias = settings.aliases.get(value) if isinstance(value, str) else None
	if alias and provider in (None, alias.provider):
		return alias.name
	candidates = _candidates(provider, settings)
	if isinstance(value, str) and value != "*":
		is_named = any(value in candidate.models for candidate in candidates)
		if is_named or (MODEL.fullmatch(value) and is_allowed(value, provider, settings)):
			return value
	aliases = [alias.name for alias in settings.aliases.values() if provider in (None, alias.provider)]
	allowed = sorted({*aliases, *(model for candidate in candidates for model in candidate.models)})
	raise invalid(_("model accepts one of: {0}."), ", ".join(allowed))


def is_allowed(model: str, provider: str | None, settings: Settings) -> bool:
	"""Returns whether a provider that may be asked allows a model. An empty name is the provider's default model."""
	return any(not model or candidate.allows(model) for candidate in _candidates(provider, settings))


def _candidates(provider: str | None, settings: Settings) -> list[ConfiguredProvider]:
	return [candidate for candidate in settings.providers if provider in (None, candidate.name)]
