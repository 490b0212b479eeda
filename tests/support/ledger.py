"""What each fault did to the chats it met, counted; printed as a table at the end of a run."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ai_assistant.client.conformance import violations


@dataclass
class Row:
	fault: str
	chats: int = 0
	lost: int = 0
	repeated: int = 0
	completions: int = 0
	ends: tuple[str, ...] = ()


class Ledger:
	def __init__(self) -> None:
		self.rows: dict[str, Row] = {}

	def settle(
		self, fault: str, sent_text: str, events: Sequence[dict[str, Any]], answer: dict[str, Any], end: str
	) -> None:
		"""Books one chat: what its client got, beside what the provider sent (`sent_text`), and the `end` it should have had.

		`events` are all that arrived at the client, by whatever way, in the order of arrival.
		"""
		got = [event for event in events if event["type"] in ("reasoning", "text")]
		text = "".join(event["text"] for event in got)
		numbers = [event["seq"] for event in events]
		end_seen = answer["error"]["code"] if answer.get("error") else answer["status"]
		row = Row(
			fault,
			chats=1,
			lost=max(0, len(sent_text) - len(text)),
			repeated=len(numbers) - len(set(numbers)),
			completions=sum(event["type"] == "completion" for event in events),
			ends=(end_seen,),
		)
		self.add([row])
		assert text == sent_text
		assert violations(events, answer) == []
		assert end_seen == end

	def add(self, rows: Iterable[Row]) -> None:
		for new in rows:
			row = self.rows.setdefault(new.fault, Row(new.fault))
			row.chats += new.chats
			row.lost += new.lost
			row.repeated += new.repeated
			row.completions += new.completions
			row.ends = tuple(dict.fromkeys((*row.ends, *new.ends)))

	def table(self) -> list[str]:
		lines = [
			"| fault | chats | characters lost | repeated | completions | ended as |",
			"| --- | --- | --- | --- | --- | --- |",
		]
		for row in self.rows.values():
			ends = ", ".join(f"`{end}`" for end in row.ends)
			lines.append(
				f"| {row.fault} | {row.chats} | {row.lost} | {row.repeated} | {row.completions} | {ends} |"
			)
		return lines


LEDGER = Ledger()
