"""Asks AI providers and yields the answer as a stream of chunks. It imports neither Frappe nor the rest of the app."""

from .adapters import apis
from .adapters.litellm.preload import preload, warm
from .bridge import Cancel
from .chunks import (
	Ask,
	Attempt,
	Chunk,
	Completion,
	Fallback,
	Key,
	Pacing,
	Provider,
	Reasoning,
	Text,
	Tick,
	Timeouts,
	ToolCall,
	ToolCallDelta,
	ToolCallStart,
)
from .errors import ProviderError
from .gateway import Gateway
from .models import takes_tools
from .probe import first_chunk_ms
from .usage import Price, Tier, Usage

__all__ = [
	"Ask",
	"Attempt",
	"Cancel",
	"Chunk",
	"Completion",
	"Fallback",
	"Gateway",
	"Key",
	"Pacing",
	"Price",
	"Provider",
	"ProviderError",
	"Reasoning",
	"Text",
	"Tick",
	"Tier",
	"Timeouts",
	"ToolCall",
	"ToolCallDelta",
	"ToolCallStart",
	"Usage",
	"apis",
	"first_chunk_ms",
	"preload",
	"takes_tools",
	"warm",
]
