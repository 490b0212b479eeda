"""What several rooms' tests share."""

import json
import uuid
from typing import Any


def script(*steps: dict[str, Any]) -> str:
	"""A user message that makes the scripted provider play these steps."""
	return json.dumps(list(steps))


def unique(prefix: str = "id") -> str:
	"""A name that no other test has used."""
	return f"{prefix}-{uuid.uuid4().hex}"
