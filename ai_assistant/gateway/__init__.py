"""Asks a provider and yields Reasoning, Text, ToolCalls and a Completion. It knows no Frappe, and no other room."""

from .adapters.litellm.preload import preload, warm
from .bridge import Cancel
from .chunks import (
	Attempt,
	Chunk,
	Completion,
	Fallback,
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
from .gateway import Gateway, apis
from .models import takes_tools
from .probe import first_chunk_ms
from .usage import Price, Tier, Usage

__all__ = [
	"Attempt",
	"Cancel",
	"Chunk",
	"Completion",
	"Fallback",
	"Gateway",
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
