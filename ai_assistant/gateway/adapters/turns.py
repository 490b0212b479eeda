"""Joins the messages of a conversation into turns."""

from collections.abc import Iterable

from ..attachments import Parts


def turns_of(messages: Iterable[tuple[str, Parts]], field: str) -> tuple[Parts, Parts]:
	"""Returns the system's parts, and the turns. Consecutive messages of one role become one turn.

	The API requires a turn, so instructions without one are the turn of the user.

	Args:
		messages: the role and the parts of each message, in the form of the API. Instructions have the role `system`.
		field: the API's name for the parts of a turn.
	"""
	system: Parts = []
	turns: Parts = []
	for role, parts in messages:
		if role == "system":
			system += parts
		elif turns and turns[-1]["role"] == role:
			turns[-1][field] += parts
		elif parts:
			turns.append({"role": role, field: parts})
	if system and not turns:
		return [], [{"role": "user", field: system}]
	return system, turns
