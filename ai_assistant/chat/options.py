"""Checks the optional fields of a request that shape the answer, as the OpenAI chat API has them."""

import json
from collections.abc import Mapping
from typing import Any

from frappe import _

from ai_assistant.gateway.chunks import OPTIONS
from ai_assistant.gateway.surrogates import join_surrogates

from .errors import invalid
from .messages import plain_name
from .tools import MAX_CHARS, description_of, json_schema
from .validators import flag, one_of, real_number, whole_number

FORMATS = ("text", "json_object", "json_schema")
SERVICE_TIERS = ("auto", "default", "flex", "priority", "scale", "fast", "standard_only")
VERBOSITIES = ("low", "medium", "high")
MAX_STOPS, MAX_STOP_CHARS = 4, 500
# JavaScript holds larger numbers only approximately.
MAX_SEED = 2**53 - 1
MAX_METADATA, MAX_KEY_CHARS, MAX_VALUE_CHARS = 16, 64, 512

FIELDS = (*OPTIONS, "metadata")


def checked(fields: Mapping[str, Any]) -> dict[str, Any]:
	"""Returns the FIELDS that were sent, checked. A field that asks for the default is left out.

	Raises ChatError `invalid_request`.
	"""
	options: dict[str, Any] = {
		"response_format": _format_of(fields.get("response_format")),
		"stop": _stops_of(fields.get("stop")),
		"top_p": real_number(fields.get("top_p"), "top_p", 0, 1),
		"seed": whole_number(fields.get("seed"), "seed", -MAX_SEED, MAX_SEED),
		"presence_penalty": real_number(fields.get("presence_penalty"), "presence_penalty", -2, 2),
		"frequency_penalty": real_number(fields.get("frequency_penalty"), "frequency_penalty", -2, 2),
		"metadata": _metadata_of(fields.get("metadata")),
	}
	for name, accepted in (("service_tier", SERVICE_TIERS), ("verbosity", VERBOSITIES)):
		if (value := fields.get(name)) is not None:
			options[name] = one_of(value, name, accepted)
	if (parallel := fields.get("parallel_tool_calls")) is not None:
		options["parallel_tool_calls"] = flag(parallel, "parallel_tool_calls")
	return {name: value for name, value in options.items() if value is not None}


def _format_of(value: Any) -> dict[str, Any] | None:
	if value is None:
		return None
	value = _decoded(value, "response_format")
	kind = one_of(value.get("type"), "response_format.type", FORMATS)
	if kind != "json_schema":
		return None if kind == "text" else {"type": kind}
	form = value.get("json_schema")
	where = "response_format.json_schema"
	if not isinstance(form, dict):
		raise invalid(_("{0} accepts an object with name and schema."), where)
	checked: dict[str, Any] = {
		"name": plain_name(form.get("name", "answer"), f"{where}.name"),
		"schema": json_schema(form.get("schema"), f"{where}.schema"),
		**description_of(form, where),
	}
	if (strict := form.get("strict")) is not None:
		checked["strict"] = flag(strict, f"{where}.strict")
	return {"type": "json_schema", "json_schema": checked}


def _decoded(value: Any, name: str) -> dict[str, Any]:
	"""Returns an object, which a form-encoded client sends as a JSON string."""
	if isinstance(value, str) and len(value) <= MAX_CHARS:
		try:
			value = json.loads(value)
		except (ValueError, RecursionError):
			value = None
	if not isinstance(value, dict):
		raise invalid(_("{0} accepts an object."), name)
	return value


def _stops_of(value: Any) -> list[str] | None:
	if value is None or value == []:
		return None
	stops = [value] if isinstance(value, str) else value
	if (
		not isinstance(stops, list)
		or len(stops) > MAX_STOPS
		or not all(isinstance(stop, str) and 1 <= len(stop) <= MAX_STOP_CHARS for stop in stops)
	):
		raise invalid(
			_("stop accepts a string, or a list of at most {0} strings, of 1 to {1} characters."),
			MAX_STOPS,
			MAX_STOP_CHARS,
		)
	return [join_surrogates(stop) for stop in stops]


def _metadata_of(value: Any) -> dict[str, str] | None:
	if value is None or value == {}:
		return None
	metadata = _decoded(value, "metadata")
	if len(metadata) > MAX_METADATA or not all(
		isinstance(key, str)
		and len(key) <= MAX_KEY_CHARS
		and isinstance(text, str)
		and len(text) <= MAX_VALUE_CHARS
		for key, text in metadata.items()
	):
		raise invalid(
			_(
				"metadata accepts an object of at most {0} strings, with keys of at most {1} and values of at most {2} characters."
			),
			MAX_METADATA,
			MAX_KEY_CHARS,
			MAX_VALUE_CHARS,
		)
	return {join_surrogates(key): join_surrogates(text) for key, text in metadata.items()}
