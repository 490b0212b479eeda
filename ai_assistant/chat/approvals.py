"""Receives a user's approval or refusal of a call of a tool of the site."""

import re
from typing import Any

from frappe import _

from ai_assistant import keys, store

from .errors import ChatError, invalid
from .ownership import find
from .validators import flag

APPROVAL = re.compile(r"[0-9a-f]{16}")


def decide(request_id: Any, approval: Any, approved: Any) -> dict[str, Any]:
	"""Stores the decision of the session's user.

	Args:
		request_id: the id of one of the user's own requests.
		approval: identifies the call, as the event `tool_approval` has it.
		approved: whether the call may run.

	Returns:
		`request_id`, `approval` and `approved`.

	Raises:
		ChatError: `not_permitted` for an AI Key, `conflict` if the request does not wait for this decision, and the errors
			of `ownership.find`.
	"""
	if keys.current():
		# The program that has the key could approve its own calls.
		raise ChatError(
			"not_permitted", _("An AI Key cannot approve a call; approve it on the page of the site.")
		)
	row, decision = find(request_id), flag(approved, "approved")
	if not isinstance(approval, str) or not APPROVAL.fullmatch(approval):
		raise invalid(_("approval accepts the value of the event tool_approval."))
	with store.transaction() as current:
		waited = current.decide(row["name"], approval, decision)
	if not waited:
		raise ChatError("conflict", _("The request does not wait for this decision any more."))
	return {"request_id": row["request_id"], "approval": approval, "approved": decision}
