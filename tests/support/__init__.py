"""What several rooms' tests share."""

import json
import uuid
from typing import Any


def script(*steps: dict[str, Any]) -> str:
	"""A user message that makes the scripted provider play these steps."""
	return json.dumps(list(steps))


def is_strict_json(value: Any) -> bool:
	"""Whether RFC 8259 knows what Python's `json.dumps` says of a value, and a double holds its numbers."""
	try:
		json.loads(
			json.dumps(value, ensure_ascii=False, allow_nan=False).encode(), parse_int=lambda n: int(float(n))
		)
	except (ValueError, OverflowError):
		return False
	return True


def unique(prefix: str = "id") -> str:
	"""A name that no other test has used."""
	return f"{prefix}-{uuid.uuid4().hex}"
