"""The types of the fields of a configuration. `ai_assistant.config` checks them with pydantic."""

from typing import Annotated, Literal

from annotated_types import Interval, MinLen

# The largest number. With a larger price one answer could use up every budget, and MariaDB could not store the cost.
MOST = 10**15

Count = Annotated[int, Interval(ge=0, le=MOST)]
Positive = Annotated[int, Interval(ge=1, le=MOST)]
Amount = Annotated[float, Interval(ge=0, le=MOST)]
Name = Annotated[str, MinLen(1)]
# The reasoning efforts, from the least to the most.
Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
# What is left out of a conversation that the model's context window cannot hold.
Trim = Literal["oldest_tool_results"]
# How long the stable part of a prompt is kept in a provider's cache.
PromptCache = Literal["5m", "1h", "off"]
