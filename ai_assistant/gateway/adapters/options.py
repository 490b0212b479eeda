"""The fields of a question that only some APIs take, as each API has them.

Each function returns what to add to the body of a request, and the names of the fields that the API or the model does not
take. The caller reports these names as `dropped`.
"""

from collections.abc import Iterable
from typing import Any

from .. import models
from ..chunks import OPTIONS, Ask

SAMPLING = frozenset(("top_p", "presence_penalty", "frequency_penalty"))
# Chat Completions: the fields that an API refuses, or reads differently from OpenAI's.
CHAT_LACKS = {
	"deepseek": frozenset(("seed", "parallel_tool_calls")),
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
	fields = {name: value for name in OPTIONS if (value := getattr(ask, name)) is not None}
	if not ask.tools:
		# Without tools the field has no meaning, and some APIs refuse it.
		fields.pop("parallel_tool_calls", None)
	return fields


def _moved(fields: Body, names: Iterable[str]) -> Body:
	"""Takes those of the named fields that there are out of `fields`, and returns them."""
	return {name: fields.pop(name) for name in names if name in fields}


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
	sent = options_of(ask)
	dropped = _moved(sent, [name for name in OPTIONS if name in lacks])
	if api == "mistral" and "seed" in sent:
		sent["random_seed"] = sent.pop("seed")
	return sent, tuple(dropped)


def for_responses(ask: Ask, reasons: bool) -> tuple[Body, tuple[str, ...]]:
	"""Returns the options for OpenAI's Responses. `reasons` is as for `for_chat`."""
	fields = options_of(ask)
	names = ["parallel_tool_calls", "service_tier", *(() if reasons else ("top_p",))]
	sent = _moved(fields, names)
	text: Body = {}
	if form := fields.pop("response_format", None):
		# A schema is flat there.
		text["format"] = {"type": form["type"], **form.get("json_schema", {})}
	text |= _moved(fields, ["verbosity"])
	if text:
		sent["text"] = text
	return sent, tuple(fields)


def for_anthropic(ask: Ask, listed: models.Entry, thinks: bool) -> tuple[Body, tuple[str, ...]]:
	"""Returns the options for Messages.

	A format goes into `output_config` and `parallel_tool_calls` into `tool_choice`, where the caller merges them.

	Args:
		thinks: whether the request asks the model to think.
	"""
	fields = options_of(ask)
	sent: Body = {}
	if stops := [stop for stop in fields.get("stop", ()) if not stop.isspace()]:
		sent["stop_sequences"] = stops
	if stops == fields.get("stop"):
		del fields["stop"]
	takes_top_p = listed.get("supports_sampling_params") is not False and ask.temperature is None
	if takes_top_p and (not thinks or fields.get("top_p", 0) >= MIN_TOP_P_WITH_THINKING):
		sent |= _moved(fields, ["top_p"])
	if tier := ANTHROPIC_TIERS.get(fields.get("service_tier", "")):
		sent["service_tier"] = tier
		del fields["service_tier"]
	form = fields.get("response_format", {})
	if form.get("type") == "json_schema" and listed.get("supports_native_structured_output"):
		sent["output_config"] = {"format": {"type": "json_schema", "schema": form["json_schema"]["schema"]}}
		del fields["response_format"]
	if fields.pop("parallel_tool_calls", None) is False:
		sent["tool_choice"] = {"disable_parallel_tool_use": True}
	return sent, tuple(fields)


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
	sent: Body = {names[name]: value for name, value in _moved(fields, names).items()}
	# Gemini refuses a format beside functions.
	if not ask.tools and (form := fields.pop("response_format", None)):
		sent["responseMimeType"] = "application/json"
		if form["type"] == "json_schema":
			sent["responseJsonSchema"] = form["json_schema"]["schema"]
	if ask.parallel_tool_calls:
		fields.pop("parallel_tool_calls", None)
	return sent, tuple(fields)


def for_ollama(ask: Ask) -> tuple[Body, tuple[str, ...]]:
	"""Returns the options for Ollama: `format`, and `options` for the caller to merge."""
	fields = options_of(ask)
	names = ["stop", "top_p", "seed", "presence_penalty", "frequency_penalty"]
	sent: Body = {"options": _moved(fields, names)}
	if form := fields.pop("response_format", None):
		sent["format"] = form["json_schema"]["schema"] if form["type"] == "json_schema" else "json"
	if ask.parallel_tool_calls:
		fields.pop("parallel_tool_calls", None)
	return sent, tuple(fields)
