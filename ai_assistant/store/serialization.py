"""Converts fields of a request to columns and back, for both stores."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from .requests import JSON_FIELDS, REQUEST_FIELDS, Row

FIGURES = {
	"usage": (
		"prompt_tokens",
		"completion_tokens",
		"reasoning_tokens",
		"total_tokens",
		"cost_usd",
		"estimated",
		"cached_tokens",
		"cache_write_tokens",
	),
	"timing": ("first_reasoning_ms", "first_text_ms", "thinking_ms", "duration_ms"),
	"realtime": ("events", "failed", "last_seq"),
}
"""The figures in the objects of the contract, in the order in which clients get them."""

_FIELDS, _JSON_FIELDS = frozenset(REQUEST_FIELDS), frozenset(JSON_FIELDS)

to_json = json.JSONEncoder(ensure_ascii=False).encode
"""Encodes a value without escapes, so that a lone surrogate is refused as it is in a text column."""


def to_columns(values: Mapping[str, Any]) -> dict[str, Any]:
	"""Encodes the JSON_FIELDS among the fields of a request.

	Raises:
		ValueError: a key is no field of a request, or no figure of one of FIGURES.
	"""
	if unknown := values.keys() - _FIELDS:
		raise ValueError(f"a request has no {', '.join(sorted(unknown))}")
	for field, names in FIGURES.items():
		if unknown := (values.get(field) or {}).keys() - set(names):
			raise ValueError(f"the {field} of a request has no {', '.join(sorted(unknown))}")
	return {
		field: to_json(value) if field in _JSON_FIELDS and value is not None else value
		for field, value in values.items()
	}


def to_row(fields: Sequence[str], columns: Sequence[Any]) -> Row:
	"""Decodes the JSON_FIELDS among the columns that were read for `fields`."""
	return {
		field: json.loads(value) if field in _JSON_FIELDS and value is not None else value
		for field, value in zip(fields, columns, strict=True)
	}
