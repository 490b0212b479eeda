"""The wire format of each provider family: what a script's steps look like as bytes.

A *step* is one of
	{"reasoning": str}            a piece of reasoning
	{"text": str}                 a piece of the answer
	{"call": n, "id": str, "name": str, "arguments": str}   a piece of the nth tool call; id and name with its first.
	                              Who sends no pieces (Gemini, Ollama) sends it once the arguments are whole
	{"sealed": str}               what the provider wants back with the reasoning before it: a signature, or ciphertext
	{"compacted": str}            the provider's own summary of the conversation so far, with ciphertext
	{"redacted": str}             a block of Anthropic's that is nothing but sealed
	{"finish": str, "usage": {}}  the provider's regular end; in usage, `prompt` includes `cached` and `written`
	{"error": str}                an error object in the middle of the stream
Everything else a script can say (pauses, cuts, raw bytes) is the same for all families and lives in
`provider.py`. The shapes follow each provider's public API documentation.
"""

from __future__ import annotations

from collections.abc import Iterator

from .anthropic import Anthropic
from .family import Family, Step
from .gemini import Gemini
from .ollama import Ollama
from .openai import DeepSeek, Groq, Mistral, OpenAI, OpenRouter
from .responses import Responses

__all__ = ["FAMILIES", "Family", "Step", "encode"]

FAMILIES: dict[str, type[Family]] = {
	"openai": OpenAI,
	"deepseek": DeepSeek,
	"openrouter": OpenRouter,
	"groq": Groq,
	"mistral": Mistral,
	"openai_responses": Responses,
	"anthropic": Anthropic,
	"gemini": Gemini,
	"ollama_chat": Ollama,
}


def encode(family: Family, steps: list[Step]) -> Iterator[bytes]:
	"""The wire bytes of a script that only speaks: one item a write."""
	if start := family.start():
		yield start
	for step in steps:
		yield family.step(step)
