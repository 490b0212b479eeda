"""Handles detached answers. A provider produces such an answer even if no connection is open. If this process dies, another
one reads the answer from the provider again.

OpenAI's Responses API does so for requests with `background` (https://developers.openai.com/api/docs/guides/background). It
sends the events of such an answer again if it is asked for its id.
"""

import math
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ai_assistant import store
from ai_assistant.gateway import Chunk, Completion, Detached, Tick
from ai_assistant.log import fields, logger

from .replay import Replay

if TYPE_CHECKING:
	from .lifecycle import Chat

# The most times that an answer is read again. An answer that kills each process that reads it must not do so for
# ever.
MOST = 3


def of(row: store.Row) -> Detached | None:
	"""Returns the answer to read again for a request whose process has died; None if there is none or it was read too often."""
	kept = row.get("detached") or {}
	if not kept or kept.get("times", 0) >= MOST:
		return None
	return Detached(**{name: kept[name] for name in ("id", "provider", "model", "key")})


def read_again(row: store.Row) -> None:
	"""Counts in the row of a running request that its answer is read again. Raises store.LeaseLost."""
	with store.transaction() as current:
		kept = row["detached"]
		current.detach(row["name"], {**kept, "times": kept.get("times", 0) + 1})


def followed(chat: "Chat", chunks: Iterator[Chunk]) -> Iterator[Chunk]:
	"""Yields the chunks of a chat without those that it has already. A Detached among them is stored.

	A chat that will be handed over ends here. The next process reads the rest, and the calls that this one has cut.
	"""
	replay = Replay(chat.publisher.transcript) if chat.request.attach_to else None
	for chunk in chunks:
		if isinstance(chunk, Detached):
			chat.detached = chunk
			with store.transaction() as current:
				current.detach(chat.publisher.name, asdict(chunk))
			yield Tick()
			continue
		if chat.abandoned and chat.detached and not isinstance(chunk, Completion):
			yield Tick()
			continue
		rest = replay.rest(chunk) if replay else chunk
		yield Tick() if rest is None else rest


def hand_over(chat: "Chat") -> dict[str, Any]:
	"""Gives a request whose process ends back to the queue. Returns its answer object. Raises store.LeaseLost."""
	with store.transaction() as current:
		current.requeue(chat.publisher.name, math.inf)
	logger().info(f"[Chat] handed over {fields(request=chat.request.request_id, user=chat.user)}")
	return chat.ended_elsewhere()
