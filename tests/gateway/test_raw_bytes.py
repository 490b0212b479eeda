"""Tests that any bytes of a provider give an answer or an error of the app, the same wherever they are cut."""

import asyncio
import gc
import json
import random
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ai_assistant.gateway.bridge import provider_loop
from ai_assistant.gateway.errors import SENTENCES
from ai_assistant.gateway.sse import Lines, Objects, ProtocolError
from tests.support.provider import ScriptedProvider
from tests.support.wire import FAMILIES, encode

from .asking import ADAPTERS, KEY, MODELS, family, gateway, hear, scripted, spoken

# How much a family's adapter costs a question decides how often it is asked.
EXAMPLES = {"openai": 300, "litellm/openai": 80}
FRAGMENTS = [
	*(
		b"\xff",
		b"\0",
		b"\n",
		b"\r",
		b"\r\n",
		b"\xe2\x80\xa8",
		b"\xef\xbb\xbf",
		b": x\n",
		b"data:",
		b"data: ",
		b"event: x\n",
	),
	*(
		b"{",
		b"}",
		b"[",
		b"]",
		b'"',
		b"null",
		b"[]",
		b"1e999",
		b"[DONE]",
		b"data: [DONE]\n\n",
		b'{"error": 1}',
		b"\\ud83d",
	),
	b"[" * 5000,
]
BYTES = st.lists(st.sampled_from(FRAGMENTS) | st.binary(max_size=8), max_size=12).map(b"".join)
VALUE = st.sampled_from(
	[None, True, 0, -1, 1.5, 10**30, "", "x", "\ud83d", "\0", [], [[]], {}, {"text": 1}, ["x"], "9" * 400]
)


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
	at = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
	return [data[start:end] for start, end in pairwise(at)]


def objects_in(parts: list[bytes]) -> tuple[list[Any], bool]:
	"""What is read of a stream that comes in these parts, and whether it ended well."""
	lines, objects = Lines(), Objects()
	objects_read: list[Any] = []
	try:
		for part in parts:
			objects_read += objects.of(lines.of(part))
		objects_read += objects.of(lines.end())
		objects.end()
	except (ProtocolError, RecursionError):
		return objects_read, False
	return objects_read, True


JSON = st.recursive(
	st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None), max_size=5),
	lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(max_size=3), values, max_size=3),
	max_leaves=8,
)


@settings(max_examples=300)
@given(st.dictionaries(st.text(max_size=3), JSON, min_size=1, max_size=3), st.booleans())
@example({"a": "\ud83d"}, True)
@example({"a": [float("inf"), float("-inf"), -0.0, 5e-324, 10**300]}, True)
def test_an_object_on_a_line_has_the_value_that_pythons_reader_gives_it(value: Any, escapes: bool) -> None:
	text = json.dumps(value, ensure_ascii=escapes).encode(errors="replace")
	((read_object,), ends_well) = objects_in([b"data: " + text + b"\n\n"])
	# They are compared as text, because NaN differs from itself.
	assert ends_well and repr(read_object) == repr(json.loads(text))


@settings(max_examples=500)
@example(b"\xef\xbb\xbfdata: {}\r\n\r\n", [1, 2, 3])
@example(b'data: {"a": 1,\ndata: "b": 2}\n\n', [20])
@given(BYTES, st.lists(st.integers(0, 200), max_size=8))
def test_what_is_read_of_any_bytes_does_not_depend_on_the_cuts(data: bytes, cuts: list[int]) -> None:
	assert repr(objects_in(pieces(data, cuts))) == repr(objects_in([data]))


def with_another_value(rng: random.Random, text: Any, value: Any) -> Any:
	"""The same but for one value anywhere in it."""
	inner = list(text) if isinstance(text, dict) else list(range(len(text))) if isinstance(text, list) else []
	if not inner or rng.random() < 0.1:
		return value
	key = rng.choice(inner)
	changed = text.copy()
	changed[key] = with_another_value(rng, text[key], value)
	return changed


def spoilt(api: str, rng: random.Random, values: list[Any], fragment: bytes) -> list[bytes]:
	"""A regular stream of a family in which something is wrong, in any number of writes."""
	steps = [{"reasoning": "Hm."}, {"text": "Yes \U0001f600"}, {"text": "."}, {"finish": "stop"}]
	lines = b"".join(encode(FAMILIES[spoken(api)](MODELS[api]), steps)).split(b"\n")
	for value in values:
		n = rng.randrange(len(lines))
		head, brace, rest = lines[n].partition(b"{")
		if brace:
			try:
				text = json.loads(brace + rest)
			except ValueError:
				continue
			lines[n] = head + json.dumps(with_another_value(rng, text, value)).encode()
	whole = b"\n".join(lines)
	if rng.random() < 0.5:
		at = rng.randrange(len(whole))
		whole = whole[:at] + fragment + whole[at + rng.choice([0, 0, 1, len(fragment), 200]) :]
	return pieces(whole, [rng.randrange(len(whole) + 1) for _ in range(rng.randrange(6))])


@pytest.mark.parametrize("api", ADAPTERS)
def test_any_stream_is_an_answer_or_one_of_our_errors(
	server: ScriptedProvider, api: str, caplog: pytest.LogCaptureFixture
) -> None:
	one = gateway(family(server, api))
	ends: set[str] = set()

	@settings(max_examples=EXAMPLES.get(api, 50), database=None)
	@given(st.integers(0, 2**32), st.lists(VALUE, max_size=3), BYTES)
	def check(seed: int, values: list[Any], fragment: bytes) -> None:
		parts = spoilt(api, random.Random(seed), values, fragment)
		script = [{"raw": part.decode("latin-1")} for part in parts]
		heard = hear(one.stream_generate(scripted(script)))
		ends.add(heard.error.kind if heard.error else heard.completion.finish_reason)
		assert "\ud83d" not in heard.reasoning + heard.text
		if heard.error:
			assert str(heard.error) == SENTENCES[heard.error.kind][1].format(**heard.error.values)
			assert KEY not in repr(vars(heard.error))

	check()
	# A defect in an adapter is logged by its name.
	assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []
	assert {"stop", "junk"} <= ends


@pytest.mark.parametrize("response", [{}, "x", None], ids=str)
def test_an_end_that_is_no_response_leaves_nothing_in_a_log(
	server: ScriptedProvider, caplog: pytest.LogCaptureFixture, response: Any
) -> None:
	end = {"type": "response.completed", "sequence_number": 9, "response": response}
	script = [{"text": "a"}, {"raw": f"event: response.completed\ndata: {json.dumps(end)}\n\n"}]
	heard = hear(gateway(family(server, "openai_responses")).stream_generate(scripted(script)))
	assert heard.error
	# A task's exception is told when the task is collected, on the loop.
	asyncio.run_coroutine_threadsafe(asyncio.sleep(0.05), provider_loop()).result()
	gc.collect()
	assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []
