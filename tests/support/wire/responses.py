"""OpenAI's Responses API."""

from __future__ import annotations

from typing import Any, ClassVar

from .family import Family, Step, calls_of, joined, sse


class Responses(Family):
	"""OpenAI's Responses API, whose reasoning comes as summaries."""

	cut_short: ClassVar = {"length": "max_output_tokens", "content_filter": "content_filter"}

	def __init__(self, model: str) -> None:
		super().__init__(model)
		self.number = 0
		self.steps: list[Step] = []

	def _event(self, kind: str, **fields: Any) -> bytes:
		self.number += 1
		return sse({"type": kind, "sequence_number": self.number, **fields}, event=kind)

	def _response(self, status: str, steps: list[Step]) -> dict[str, Any]:
		reasoning, text, finish, usage = joined(steps)
		output: list[dict[str, Any]] = [self._compaction(step) for step in steps if "compacted" in step]
		if reasoning:
			output.append(self._reasoning(steps))
		if text:
			content = [{"type": "output_text", "text": text, "annotations": []}]
			output.append(
				{
					"id": "msg_1",
					"type": "message",
					"role": "assistant",
					"status": "completed",
					"content": content,
				}
			)
		output += [self._call(n, call) for n, call in enumerate(calls_of(steps))]
		return {
			"id": "resp_1",
			"object": "response",
			"created_at": 1700000000,
			"status": status,
			"model": self.model,
			"output": output,
			"error": None,
			"incomplete_details": {"reason": self.cut_short[finish]} if status == "incomplete" else None,
			"parallel_tool_calls": True,
			"tool_choice": "auto",
			"tools": [],
			"temperature": 1.0,
			"top_p": 1.0,
			"usage": None
			if status == "in_progress"
			else {
				"input_tokens": usage["prompt"],
				"input_tokens_details": {"cached_tokens": 0},
				"output_tokens": usage["completion"],
				"output_tokens_details": {"reasoning_tokens": usage["reasoning"]},
				"total_tokens": usage["prompt"] + usage["completion"],
			},
		}

	def _compaction(self, step: Step) -> dict[str, Any]:
		return {"id": "cmp_1", "type": "compaction", "encrypted_content": step["compacted"]}

	def _reasoning(self, steps: list[Step]) -> dict[str, Any]:
		summary = [{"type": "summary_text", "text": joined(steps)[0]}]
		sealed = [step["sealed"] for step in steps if "sealed" in step]
		seal = {"encrypted_content": sealed[-1]} if sealed else {}
		return {"id": "rs_1", "type": "reasoning", "summary": summary, **seal}

	def _call(self, n: int, call: dict[str, str], status: str = "completed") -> dict[str, Any]:
		return {
			"id": f"fc_{n}",
			"type": "function_call",
			"call_id": call["id"],
			"name": call["name"],
			"arguments": call["arguments"],
			"status": status,
		}

	def turn(self, steps: list[Step]) -> Any:
		text = joined(steps)[1]
		items = [self._reasoning(steps)] if joined(steps)[0] else []
		items += [{"role": "assistant", "content": text}] if text else []
		calls = [self._call(n, call) for n, call in enumerate(calls_of(steps))]
		names = ("type", "call_id", "name", "arguments")
		return items + [{name: call[name] for name in names} for call in calls]

	def returned(self, body: dict[str, Any]) -> Any:
		turn: list[dict[str, Any]] = []
		before = ""
		for item in body["input"]:
			kind = item.get("type", item.get("role"))
			if kind in ("function_call_output", "user"):
				before = kind
				continue
			turn = [item] if before else [*turn, item]
			before = ""
		return turn

	def start(self) -> bytes:
		return self._event("response.created", response=self._response("in_progress", []))

	def _open(self, kind: str) -> bytes:
		if self.last == kind:
			return b""
		self.last = kind
		if kind == "reasoning":
			item = {"id": "rs_1", "type": "reasoning", "summary": []}
			part = {"type": "summary_text", "text": ""}
			return self._event("response.output_item.added", output_index=0, item=item) + self._event(
				"response.reasoning_summary_part.added",
				item_id="rs_1",
				output_index=0,
				summary_index=0,
				part=part,
			)
		item = {"id": "msg_1", "type": "message", "role": "assistant", "status": "in_progress", "content": []}
		part = {"type": "output_text", "text": "", "annotations": []}
		return self._event("response.output_item.added", output_index=1, item=item) + self._event(
			"response.content_part.added", item_id="msg_1", output_index=1, content_index=0, part=part
		)

	def step(self, step: Step) -> bytes:
		self.steps.append(step)
		if "compacted" in step:
			item = self._compaction(step)
			return self._event(
				"response.output_item.added", output_index=9, item={**item, "encrypted_content": ""}
			) + self._event("response.output_item.done", output_index=9, item=item)
		if "reasoning" in step:
			return self._open("reasoning") + self._event(
				"response.reasoning_summary_text.delta",
				item_id="rs_1",
				output_index=0,
				summary_index=0,
				delta=step["reasoning"],
			)
		if "text" in step:
			return self._open("text") + self._event(
				"response.output_text.delta",
				item_id="msg_1",
				output_index=1,
				content_index=0,
				delta=step["text"],
				logprobs=[],
			)
		if "call" in step:
			number = step["call"]
			at = {"item_id": f"fc_{number}", "output_index": 2 + number}
			begun = b""
			if "id" in step:
				item = self._call(number, {**step, "arguments": ""}, "in_progress")
				begun = self._event("response.output_item.added", output_index=2 + number, item=item)
			return begun + self._event(
				"response.function_call_arguments.delta", **at, delta=step.get("arguments", "")
			)
		if "sealed" in step:
			item = self._reasoning(self.steps)
			return self._event("response.output_item.done", output_index=0, item=item)
		if "error" in step:
			return self._event("error", code="server_error", message=step["error"], param=None)
		status = "incomplete" if step["finish"] in self.cut_short else "completed"
		done = b""
		for number, call in enumerate(calls_of(self.steps)):
			at = {"item_id": f"fc_{number}", "output_index": 2 + number}
			done += self._event(
				"response.function_call_arguments.done", **at, name=call["name"], arguments=call["arguments"]
			)
			done += self._event(
				"response.output_item.done", output_index=2 + number, item=self._call(number, call)
			)
		return done + self._event(f"response.{status}", response=self._response(status, self.steps))

	def whole(self, steps: list[Step]) -> dict[str, Any]:
		return self._response("incomplete" if joined(steps)[2] in self.cut_short else "completed", steps)
