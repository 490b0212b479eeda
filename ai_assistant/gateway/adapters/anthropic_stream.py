"""Reads the events of Anthropic's Messages API into the pieces of an answer."""

import json
from dataclasses import dataclass, field
from typing import Any

from .. import compaction, continuation
from ..sse import ProtocolError, string
from ..strict_json import object_of
from ..tool_calls import ToolPiece
from .partial import PartialAnswer, Pieces

THINKING = {"thinking": ("thinking", "signature"), "redacted_thinking": ("data",)}
# The most characters in the blocks of a paused message. A longer message is not continued.
MAX_PAUSED_CHARS = 4_000_000
# The distance between the block numbers of a message and those of its continuation.
ROUND = 100_000


@dataclass
class Message(PartialAnswer):
	"""The events of a message, and of the messages that continue it, that have arrived so far.

	`pauses` says whether the provider runs tools of its own, after which a message may pause.
	"""

	pauses: bool = False
	id: str | None = None
	stop_reason: str | None = None
	stop_details: Any = None
	stopped: bool = False
	usage: dict[str, Any] = field(default_factory=dict)
	# The usage of the messages that this one continues.
	earlier: list[dict[str, Any]] = field(default_factory=list)
	# The thinking blocks that are open, by their number.
	_thinking: dict[int, dict[str, Any]] = field(default_factory=dict)
	# The numbers of the client's calls. The provider's own tools send their arguments in the same way.
	_calls: set[int] = field(default_factory=set)
	# The summaries of the conversation that are open, by their number.
	_compactions: dict[int, dict[str, Any]] = field(default_factory=dict)
	# Where the text of an open block begins, and its citations.
	_texts: dict[int, tuple[int, list[Any]]] = field(default_factory=dict)
	# All blocks as they arrived, by their number, and their total length.
	_blocks: dict[int, dict[str, Any]] = field(default_factory=dict)
	_size: int = 0

	def pieces(self, event: dict[str, Any]) -> Pieces:
		"""Returns the pieces in an event. What follows the end of the message is ignored. Raises ProtocolError."""
		if self.stopped:
			return ()
		self.begun = True
		kind, index = string(event.get("type")), event.get("index")
		if isinstance(index, int):
			index += ROUND * len(self.earlier)
		if kind == "message_start":
			message = event.get("message") or {}
			if self.id not in (None, message.get("id")):
				# A second message: some proxies ask again within a stream.
				raise ProtocolError()
			self.id = message.get("id")
			self._count(message.get("usage"))
		elif kind == "content_block_start":
			return self._begin(index, event["content_block"])
		elif kind == "content_block_delta":
			return self._add(index, event["delta"])
		elif kind == "content_block_stop":
			self._end(index)
		elif kind == "message_delta":
			delta = event.get("delta") or {}
			self.stop_reason = delta.get("stop_reason") or self.stop_reason
			self.stop_sequence = string(delta.get("stop_sequence") or "") or self.stop_sequence
			self.stop_details = delta.get("stop_details") or self.stop_details
			self._count(event.get("usage"))
		elif kind == "message_stop":
			self.stopped = True
		elif kind == "ping" and self._compactions:
			# For a while no other event shows that the provider works.
			return (self.reasoning(""),)
		return ()

	def paused(self) -> list[dict[str, Any]]:
		"""Returns the blocks of a message that paused, and prepares for the one that continues it.

		The list is empty for a message that did not pause, or that is too long to be sent back.
		"""
		if self.stop_reason != "pause_turn" or not self._blocks:
			return []
		blocks = [_sendable(block) for _, block in sorted(self._blocks.items())]
		self.earlier.append(self.usage)
		self.id, self.usage, self.stop_reason, self.stopped = None, {}, None, False
		self._blocks, self._size = {}, 0
		return [block for block in blocks if block.get("type") != "text" or block.get("text")]

	def refusal(self) -> str | None:
		"""Returns the provider's explanation of a refusal, if it gave one."""
		details = self.stop_details if isinstance(self.stop_details, dict) else {}
		explanation = details.get("explanation")
		return explanation if isinstance(explanation, str) and explanation else None

	def _count(self, usage: Any) -> None:
		# The last event repeats some counts of the first, and may correct them; null says nothing.
		self.usage |= {name: value for name, value in (usage or {}).items() if value is not None}

	def _begin(self, index: Any, block: dict[str, Any]) -> Pieces:
		kind = block.get("type")
		if self.pauses:
			self._blocks[index] = {**block, "partial_json": ""}
			self._size += len(str(block))
		if kind == "text":
			self._texts[index] = self.length, list(block.get("citations") or ())
			if block.get("text"):
				yield self.text(block["text"])
		elif kind in THINKING:
			self._thinking[index] = {"type": kind, **{name: block.get(name) or "" for name in THINKING[kind]}}
			if block.get("thinking"):
				yield self.reasoning(block["thinking"])
		elif kind == compaction.FIELD:
			names = ("type", *compaction.BLOCKS[compaction.FIELD])
			self._compactions[index] = {name: block[name] for name in names if block.get(name)}
			yield self.reasoning("")
		elif kind == "tool_use":
			tool_input = block.get("input")
			# Some servers give the arguments whole, and no deltas.
			arguments = json.dumps(tool_input, ensure_ascii=False) if tool_input else ""
			self._calls.add(index)
			self.has_calls = True
			yield ToolPiece(index, string(block.get("id") or ""), string(block.get("name") or ""), arguments)

	def _add(self, index: Any, delta: dict[str, Any]) -> Pieces:
		kind, thinking = delta.get("type"), self._thinking.get(index)
		if self.pauses and index in self._blocks:
			self._extend(self._blocks[index], delta)
		if kind == "text_delta" and delta.get("text"):
			return (self.text(delta["text"]),)
		elif kind == "thinking_delta" and delta.get("thinking"):
			thought = string(delta["thinking"])
			if thinking is not None and self.keeps and len(thinking["thinking"]) <= continuation.MAX_CHARS:
				thinking["thinking"] += thought
			return (self.reasoning(thought),)
		elif kind == "signature_delta" and thinking is not None:
			thinking["signature"] = thinking.get("signature", "") + string(delta.get("signature") or "")
		elif kind == "compaction_delta" and index in self._compactions:
			for name in ("content", "encrypted_content"):
				if piece := string(delta.get(name) or ""):
					self._compactions[index][name] = self._compactions[index].get(name, "") + piece
		elif kind == "citations_delta" and index in self._texts:
			self._texts[index][1].append(delta.get("citation"))
		elif kind == "input_json_delta" and index in self._calls and delta.get("partial_json"):
			return (ToolPiece(index, None, None, string(delta["partial_json"])),)
		return ()

	def _extend(self, block: dict[str, Any], delta: dict[str, Any]) -> None:
		self._size += len(str(delta))
		if self._size > MAX_PAUSED_CHARS:
			self._blocks.clear()
			return
		for name in ("text", "thinking", "signature", "partial_json"):
			if isinstance(piece := delta.get(name), str):
				block[name] = (block.get(name) or "") + piece
		if delta.get("citation"):
			block["citations"] = [*(block.get("citations") or ()), delta["citation"]]

	def _end(self, index: Any) -> None:
		start, citations = self._texts.pop(index, (None, ()))
		for citation in citations:
			if isinstance(citation, dict):
				# The whole block rests on the source.
				self.cite(citation.get("url"), citation.get("title"), start, self.length)
		summary = self._compactions.pop(index, None)
		if summary and self.keeps and summary.get("content"):
			self.continuation.add(compaction.FIELD, summary)
		block = self._thinking.pop(index, None)
		if block and self.keeps and (block.get("signature") or block.get("data")):
			self.continuation.add("thinking_blocks", block)


def _sendable(block: dict[str, Any]) -> dict[str, Any]:
	"""Returns a block in the form in which the API accepts it again."""
	sent = {name: value for name, value in block.items() if value is not None}
	if arguments := sent.pop("partial_json"):
		# The API takes an object.
		sent["input"] = object_of(arguments) or {}
	return sent
