"""The fields of a question that only some APIs take, as each API has them.

Each function returns what to add to the body of a request, and the names of the fields that the API or the model does not
take. The caller reports these names as `dropped`.
"""

from typing import Any

from .. import models
from ..chunks import OPTIONS, Ask

SAMPLING = frozenset(("top_p", "presence_penalty", "frequency_penalty"))
# Chat Completions: the fields that an API refuses, or reads differently from OpenAI's.
CHAT_LACKS = {
	"deepseek": frozenset(("seed", "parallel_tool_calls")),
	"mistral": frozenset(),
	"xai": frozenset(("presence_penalty", "frequency_penalty", "stop")),
}
HAVE_SERVICE_TIERS = ("openai", "groq", "openrouter")
HAVE_VERBOSITY = ("openai", "openrouter")
# Anthropic's words for the tiers; it has no others.
ANTHROPIC_TIERS = {"auto": "auto", "default": "standard_only", "standard_only": "standard_only"}
# https://platform.claude.com/docs/en/build-with-claude/extended-thinking: with thinking, `top_p` is between 0.95 and 1.
MIN_TOP_P_WITH_THINKING = 0.95

Body = dict[str, Any]


def options_of(ask: Ask) -> Body:
	"""Returns the OPTIONS that the question has."""
	fields = {name: getattr(ask, name) for name in OPTIONS}
	if not ask.tools:
		# Without tools the field has no meaning, and some APIs refuse it.
		fields["parallel_tool_calls"] = None
	return {name: value for name, value in fields.items() if value is not None}


def for_chat(api: str, ask: Ask, reasons: bool) -> tuple[Body, tuple[str, ...]]:
	"""Returns the options for chat completions.

	Args:
		reasons: whether the model is one of OpenAI's that reason: they take no sampling parameters and no `stop`.
	"""
	lacks = set(CHAT_LACKS.get(api, ()))
	if api not in HAVE_SERVICE_TIERS:
		lacks.add("service_tier")
	if api not in HAVE_VERBOSITY or (api == "openai" and not reasons):
		lacks.add("verbosity")
	if reasons:
		lacks |= SAMPLING | {"stop"}
	if api == "deepseek" and (ask.response_format or {}).get("type") == "json_schema":
		lacks.add("response_format")
	fields = options_of(ask)
	sent = {name: value for name, value in fields.items() if name not in lacks}
	if api == "mistral" and "seed" in sent:
		sent["random_seed"] = sent.pop("seed")
	return sent, tuple(name for name in fields if name in lacks)


def for_responses(ask: Ask, reasons: bool) -> tuple[Body, tuple[str, ...]]:
	"""Returns the options for OpenAI's Responses. `reasons` is as for `for_chat`."""
	fields = options_of(ask)
	names = ["parallel_tool_calls", "service_tier", *(() if reasons else ("top_p",))]
	sent: Body = {name: fields[name] for name in names if name in fields}
	text: Body = {}
	if form := fields.get("response_format"):
		# A schema is flat there.
		text["format"] = {"type": form["type"], **form.get("json_schema", {})}
	if "verbosity" in fields:
		text["verbosity"] = fields["verbosity"]
	if text:
		sent["text"] = text
	taken = {*names, "response_format", "verbosity"}
	return sent, tuple(name for name in fields if name not in taken)


def for_anthropic(ask: Ask, listed: models.Entry, thinks: bool) -> tuple[Body, tuple[str, ...]]:
	"""Returns the options for Messages.

	A format goes into `output_config` and `parallel_tool_calls` into `tool_choice`, where the caller merges them.

	Args:
		thinks: whether the request asks the model to think.
	"""
	fields = options_of(ask)
	sent: Body = {}
	stops = [stop for stop in fields.get("stop", ()) if not stop.isspace()]
	if stops:
		sent["stop_sequences"] = stops
	top_p = fields.get("top_p")
	takes_top_p = listed.get("supports_sampling_params") is not False and ask.temperature is None
	if top_p is not None and takes_top_p and (not thinks or top_p >= MIN_TOP_P_WITH_THINKING):
		sent["top_p"] = top_p
	if tier := ANTHROPIC_TIERS.get(fields.get("service_tier", "")):
		sent["service_tier"] = tier
	form = fields.get("response_format", {})
	if form.get("type") == "json_schema" and listed.get("supports_native_structured_output"):
		sent["output_config"] = {"format": {"type": "json_schema", "schema": form["json_schema"]["schema"]}}
	if fields.get("parallel_tool_calls") is False:
		sent["tool_choice"] = {"disable_parallel_tool_use": True}
	taken = {
		"stop": len(stops) == len(fields.get("stop", ())),
		"top_p": "top_p" in sent,
		"service_tier": "service_tier" in sent,
		"response_format": "output_config" in sent,
		"parallel_tool_calls": True,
	}
	return sent, tuple(name for name in fields if not taken.get(name))


def for_gemini(ask: Ask) -> tuple[Body, tuple[str, ...]]:
	"""Returns the options for `generationConfig` of Gemini."""
	fields = options_of(ask)
	names = {
		"stop": "stopSequences",
		"top_p": "topP",
		"seed": "seed",
		"presence_penalty": "presencePenalty",
		"frequency_penalty": "frequencyPenalty",
	}
	sent: Body = {theirs: fields[ours] for ours, theirs in names.items() if ours in fields}
	taken = set(names)
	form = fields.get("response_format")
	# Gemini refuses a format beside functions.
	if form and not ask.tools:
		taken.add("response_format")
		sent["responseMimeType"] = "application/json"
		if form["type"] == "json_schema":
			sent["responseJsonSchema"] = form["json_schema"]["schema"]
	if fields.get("parallel_tool_calls"):
		taken.add("parallel_tool_calls")
	return sent, tuple(name for name in fields if name not in taken)


def for_ollama(ask: Ask) -> tuple[Body, tuple[str, ...]]:
	"""Returns the options for Ollama: `format`, and `options` for the caller to merge."""
	fields = options_of(ask)
	names = ("stop", "top_p", "seed", "presence_penalty", "frequency_penalty")
	sent: Body = {"options": {name: fields[name] for name in names if name in fields}}
	if form := fields.get("response_format"):
		sent["format"] = form["json_schema"]["schema"] if form["type"] == "json_schema" else "json"
	taken = {*names, "response_format", *(("parallel_tool_calls",) if ask.parallel_tool_calls else ())}
	return sent, tuple(name for name in fields if name not in taken)
