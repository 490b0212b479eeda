"""The standalone site as one would write it first: an event, a commit and a message for every chunk."""

from ai_assistant.realtime import batch


def _each_at_once(self: batch.Batcher, kind: str, text: str, now: float) -> list[batch.Batch]:
	return [batch.Batch(kind, text)]


batch.Batcher.add = _each_at_once  # type: ignore[method-assign]

if __name__ == "__main__":
	from ai_assistant.cli import main

	main()
