"""The reasoning efforts of a request, and which of them a model accepts."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from .field_types import Effort

EFFORTS: tuple[Effort, ...] = get_args(Effort)
COMMON: tuple[Effort, ...] = ("low", "medium", "high")
# Tokens to think with, for a model that accepts a budget and no effort. Anthropic accepts at least 1,024, and
# Gemini at most 24,576.
BUDGETS = {"minimal": 1024, "low": 1024, "medium": 2048, "high": 4096, "xhigh": 16384, "max": 24576}
# The only models of Ollama that accept an effort. For the others thinking can only be on or off.
OLLAMA_EFFORTS = re.compile(r"(.*/)?gpt-oss\b")
GEMINI_BUDGETS = re.compile(r"gemini-(1|2)[.-]")
GEMINI_MINIMAL = re.compile(r"gemini-3.*flash")


def taken(api: str, model: str, listed: Mapping[str, Any]) -> tuple[Effort, ...]:
	"""Returns the efforts that a model accepts besides `none`, in rising order; empty if unknown.

	Args:
		api: the name of the provider's API.
		model: the name of the model there.
		listed: the entry of the model in litellm's list.
	"""
	if api in ("ollama", "ollama_chat"):
		return COMMON if OLLAMA_EFFORTS.match(model) else ()
	if not listed.get("supports_reasoning"):
		return ()
	name = api.removeprefix("litellm/")
	if name == "gemini":
		if GEMINI_BUDGETS.match(model):
			return EFFORTS[1:]
		return ("minimal", *COMMON) if GEMINI_MINIMAL.match(model) else COMMON
	if name == "anthropic" and not listed.get("supports_adaptive_thinking"):
		return EFFORTS[1:]
	# OpenRouter maps them itself.
	extra = ("minimal", "xhigh") if name == "openrouter" else ()
	return tuple(
		effort
		for effort in EFFORTS[1:]
		if listed.get(f"supports_{effort}_reasoning_effort", effort in COMMON + extra)
	)


def nearest(effort: str, efforts: Sequence[Effort]) -> str:
	"""Returns the effort to send: the same if the model accepts it, else the nearest lower one, else the lowest."""
	if effort == "none" or not efforts or effort in efforts:
		return effort
	below = [lower for lower in efforts if EFFORTS.index(lower) < EFFORTS.index(effort)]
	return below[-1] if below else efforts[0]
