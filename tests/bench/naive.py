"""The standalone site as one would write it first: an event, a commit and a message for every chunk."""

from ai_assistant.realtime import batcher


def _each_at_once(
	self: batcher.Batcher, kind: str, text: str, now: float, call_id: str = ""
) -> list[batcher.Batch]:
	return [batcher.Batch(kind, text, call_id)]


batcher.Batcher.add = _each_at_once  # type: ignore[method-assign]

if __name__ == "__main__":
	from ai_assistant.cli.program import main

	main()
