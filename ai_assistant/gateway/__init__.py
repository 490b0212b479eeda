"""Asks AI providers and yields the answer as a stream of chunks. It imports neither Frappe nor the rest of the
app.

- `gateway` asks the providers in order, and `attempt` asks one of them once. `bridge` runs the adapters on
  one asyncio loop.
- `adapters` has one module for each API of a provider.
- `failures` translates the errors and the finish reasons of all providers. `errors` has the sentence of each
  kind of error, and decides which kinds are retryable.
- `health` decides which kinds of errors begin a cool-down of a provider or a key, and how long it lasts.
- `thinking`, `tool_calls` and `assembly` turn deltas into chunks. `sse` reads streams.
- `usage` counts tokens and cost. `models` and `model_list` know the figures of models, and
  `token_count` counts before a question is sent. `caching`, `trimming` and `compaction` are for long prompts.
- `field_types` has the types of the fields of a configuration.
- `chunks` has the types: the question (`Ask`), the provider, and the chunks of an answer. `timing` has the timeouts.
"""

from .adapters import apis
from .adapters.litellm.preload import preload, warm
from .bridge import Cancel
from .chunks import (
	Ask,
	Attempt,
	Chunk,
	Completion,
	Detached,
	Fallback,
	Key,
	ModelInfo,
	Provider,
	Reasoning,
	Text,
	Tick,
	ToolCall,
	ToolCallDelta,
	ToolCallStart,
)
from .detached import cancel as cancel_detached
from .errors import ProviderError
from .gateway import Gateway
from .models import context_window, model_details, takes_tools
from .probe import first_chunk_ms
from .timing import Pacing, Timeouts
from .token_count import TokenCount, count_tokens
from .tool_calls import cut_call
from .tool_chunks import ToolApproval, ToolResult, ToolRun, ToolStep
from .usage import Price, Tier, Usage

__all__ = [
	"Ask",
	"Attempt",
	"Cancel",
	"Chunk",
	"Completion",
	"Detached",
	"Fallback",
	"Gateway",
	"Key",
	"ModelInfo",
	"Pacing",
	"Price",
	"Provider",
	"ProviderError",
	"Reasoning",
	"Text",
	"Tick",
	"Tier",
	"Timeouts",
	"TokenCount",
	"ToolApproval",
	"ToolCall",
	"ToolCallDelta",
	"ToolCallStart",
	"ToolResult",
	"ToolRun",
	"ToolStep",
	"Usage",
	"apis",
	"cancel_detached",
	"context_window",
	"count_tokens",
	"cut_call",
	"first_chunk_ms",
	"model_details",
	"preload",
	"takes_tools",
	"warm",
]
