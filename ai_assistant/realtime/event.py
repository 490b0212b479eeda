"""The names and the shape of what reaches a client (the contract's section 3), for both ends."""

EVENT = "ai_progress"
STATUS = "ai_status"

FIELDS = {"type", "text", "partial", "task_id", "request_id", "seq", "elapsed_ms", "timestamp"}
"""What every event has; a completion has more."""

MAX_BYTES = 32 * 1024
"""The most UTF-8 that the text of one event may have."""
