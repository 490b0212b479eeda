"""The wire format of each provider family: what a script's steps look like as bytes.

A *step* is one of
	{"reasoning": str}            a piece of reasoning
	{"text": str}                 a piece of the answer
	{"call": n, "id": str, "name": str, "arguments": str}   a piece of the nth tool call; id and name with its first.
	                              Who sends no pieces (Gemini, Ollama) sends it once the arguments are whole
	{"sealed": str}               what the provider wants back with the reasoning before it: a signature, or ciphertext
	{"compacted": str}            the provider's own summary of the conversation so far, with ciphertext
	{"redacted": str}             a block of Anthropic's that is nothing but sealed
	{"finish": str, "usage": {}}  the provider's regular end; in usage, `prompt` includes `cached` and `written`
	{"error": str}                an error object in the middle of the stream
Everything else a script can say (pauses, cuts, raw bytes) is the same for all families and lives in
`provider.py`. The shapes follow each provider's public API documentation.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, ClassVar

Step = dict[str, Any]

SIGNATURE = "c2lnbmF0dXJl"
USAGE = {"prompt": 11, "completion": 7, "reasoning": 3}


def sse(data: Any, event: str | None = None) -> bytes:
	# ensure_ascii is what providers written in Python do: it is also what cuts surrogate pairs in two.
	body = data if isinstance(data, str) else json.dumps(data)
	return (f"event: {event}\n" if event else "").encode() + f"data: {body}\n\n".encode()


class Family:
	"""One provider family: `start`, one or more wire chunks a step, `end`; and the answer without a stream."""

	content_type = "text/event-stream"

	def __init__(self, model: str) -> None:
		self.model = model
		self.last: str | None = None

	def start(self) -> bytes:
		return b""

	def step(self, step: Step) -> bytes:
		raise NotImplementedError

	def whole(self, steps: list[Step]) -> dict[str, Any]:
		raise NotImplementedError

	def refusal(self, status: int, message: str) -> dict[str, Any]:
		return {"error": {"message": message, "type": "error", "code": status}}

	def turn(self, steps: list[Step]) -> Any:
		"""The form in which a turn of these steps must come back."""
		raise NotImplementedError

	def returned(self, body: dict[str, Any]) -> Any:
		"""The last turn of the model in a request, as `turn()` gives it."""
		raise NotImplementedError


def calls_of(steps: list[Step]) -> list[dict[str, str]]:
	"""The tool calls of a script, whole."""
	calls: dict[int, dict[str, str]] = {}
	for step in steps:
		if "call" in step:
			call = calls.setdefault(step["call"], {"id": "", "name": "", "arguments": ""})
			call["id"] = call["id"] or step.get("id", "")
			call["name"] = call["name"] or step.get("name", "")
			call["arguments"] += step.get("arguments", "")
	return list(calls.values())


def _of_openai(call: dict[str, str]) -> dict[str, Any]:
	function = {"name": call["name"], "arguments": call["arguments"]}
	return {"id": call["id"], "type": "function", "function": function}


def _is_whole(call: dict[str, str]) -> bool:
	try:
		return isinstance(json.loads(call["arguments"]), dict)
	except ValueError:
		return False


def _joined(steps: list[Step]) -> tuple[str, str, str, dict[str, int]]:
	finish = next((s for s in steps if "finish" in s), {"finish": "stop"})
	return (
		"".join(s.get("reasoning", "") for s in steps),
		"".join(s.get("text", "") for s in steps),
		finish["finish"],
		{**USAGE, **finish.get("usage", {})},
	)


class OpenAI(Family):
	"""OpenAI's chat completions, and everything that copies them."""

	reasoning_field = "reasoning_content"
	wants_reasoning = False

	def _chunk(self, delta: dict[str, Any], finish: str | None = None) -> bytes:
		return sse(
			{
				"id": "chatcmpl-1",
				"object": "chat.completion.chunk",
				"created": 1700000000,
				"model": self.model,
				"choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
			}
		)

	def _usage(self, usage: dict[str, int]) -> dict[str, Any]:
		return {
			"prompt_tokens": usage["prompt"],
			"completion_tokens": usage["completion"],
			"total_tokens": usage["prompt"] + usage["completion"],
			"completion_tokens_details": {"reasoning_tokens": usage["reasoning"]},
			**({"prompt_tokens_details": {"cached_tokens": usage["cached"]}} if "cached" in usage else {}),
		}

	def start(self) -> bytes:
		return self._chunk({"role": "assistant", "content": ""})

	def step(self, step: Step) -> bytes:
		if "reasoning" in step:
			return self._chunk({self.reasoning_field: step["reasoning"]})
		if "text" in step:
			return self._chunk({"content": step["text"]})
		if "call" in step:
			return self._chunk({"tool_calls": [self._piece(step)]})
		if "sealed" in step:
			return self._sealed(step["sealed"])
		if "error" in step:
			return sse({"error": {"message": step["error"], "type": "server_error", "code": 500}})
		usage = {
			"id": "chatcmpl-1",
			"object": "chat.completion.chunk",
			"created": 1700000000,
			"model": self.model,
			"choices": [],
			"usage": self._usage({**USAGE, **step.get("usage", {})}),
		}
		return self._chunk({}, step["finish"]) + sse(usage) + sse("[DONE]")

	def whole(self, steps: list[Step]) -> dict[str, Any]:
		reasoning, text, finish, usage = _joined(steps)
		message: dict[str, Any] = {"role": "assistant", "content": text}
		if reasoning:
			message[self.reasoning_field] = reasoning
		if calls := calls_of(steps):
			message["tool_calls"] = [_of_openai(call) for call in calls]
		return {
			"id": "chatcmpl-1",
			"object": "chat.completion",
			"created": 1700000000,
			"model": self.model,
			"choices": [{"index": 0, "message": message, "finish_reason": finish}],
			"usage": self._usage(usage),
		}

	def _piece(self, step: Step) -> dict[str, Any]:
		begins = {"id": step["id"], "type": "function"} if "id" in step else {}
		function = {name: step[name] for name in ("name", "arguments") if name in step}
		return {"index": step["call"], **begins, "function": function}

	def _sealed(self, sealed: str) -> bytes:
		return b""

	def turn(self, steps: list[Step]) -> Any:
		text = _joined(steps)[1]
		message = {**({"content": text} if text else {}), **self._thought(steps)}
		return {**message, "tool_calls": [_of_openai(call) for call in calls_of(steps)]}

	def _thought(self, steps: list[Step]) -> dict[str, Any]:
		return {}

	def returned(self, body: dict[str, Any]) -> Any:
		message = [m for m in body["messages"] if m["role"] == "assistant"][-1]
		passed_over = ("role",) if self.wants_reasoning else ("role", "reasoning_content")
		return {
			name: value for name, value in message.items() if name not in passed_over and value is not None
		}


class DeepSeek(OpenAI):
	"""`reasoning_content` beside `content: null`."""

	wants_reasoning = True

	def step(self, step: Step) -> bytes:
		if "reasoning" in step:
			return self._chunk({"content": None, "reasoning_content": step["reasoning"]})
		if "text" in step:
			return self._chunk({"content": step["text"], "reasoning_content": None})
		return super().step(step)

	def _thought(self, steps: list[Step]) -> dict[str, Any]:
		return {"reasoning_content": _joined(steps)[0]}


class OpenRouter(OpenAI):
	"""`reasoning`, the same text again in `reasoning_details`, and comments that keep the connection alive."""

	reasoning_field = "reasoning"

	def start(self) -> bytes:
		return b": OPENROUTER PROCESSING\n\n" + super().start()

	def step(self, step: Step) -> bytes:
		if "reasoning" in step:
			detail = {"type": "reasoning.text", "text": step["reasoning"], "format": "unknown", "index": 0}
			return self._chunk(
				{
					"role": "assistant",
					"content": "",
					"reasoning": step["reasoning"],
					"reasoning_details": [detail],
				}
			)
		return super().step(step)

	def _sealed(self, sealed: str) -> bytes:
		return self._chunk({"content": "", "reasoning_details": [self._seal(sealed)]})

	def _seal(self, sealed: str) -> dict[str, Any]:
		return {"type": "reasoning.text", "signature": sealed, "format": "unknown", "index": 0}

	def _thought(self, steps: list[Step]) -> dict[str, Any]:
		details = {"type": "reasoning.text", "text": _joined(steps)[0], "format": "unknown", "index": 0}
		for step in steps:
			if "sealed" in step:
				details["signature"] = step["sealed"]
		return {"reasoning_details": [details]}

	def whole(self, steps: list[Step]) -> dict[str, Any]:
		answer: dict[str, Any] = super().whole(steps)
		if _joined(steps)[0]:
			answer["choices"][0]["message"].update(self._thought(steps))
		return answer


class Groq(OpenAI):
	"""`reasoning`, and the usage in a field of its own."""

	reasoning_field = "reasoning"

	def step(self, step: Step) -> bytes:
		if "finish" not in step:
			return super().step(step)
		end = json.loads(self._chunk({}, step["finish"]).removeprefix(b"data: "))
		end["x_groq"] = {"id": "req_1", "usage": self._usage({**USAGE, **step.get("usage", {})})}
		return sse(end) + sse("[DONE]")


class Mistral(OpenAI):
	"""Thinking as parts of the content; the usage comes with the last chunk."""

	def step(self, step: Step) -> bytes:
		if "reasoning" in step:
			return self._chunk({"content": self._thinking(step["reasoning"])})
		if "finish" not in step:
			return super().step(step)
		end = json.loads(self._chunk({"content": ""}, step["finish"]).removeprefix(b"data: "))
		return sse({**end, "usage": self._usage({**USAGE, **step.get("usage", {})})}) + sse("[DONE]")

	def whole(self, steps: list[Step]) -> dict[str, Any]:
		answer = super().whole(steps)
		message = answer["choices"][0]["message"]
		if reasoning := message.pop(self.reasoning_field, None):
			message["content"] = [*self._thinking(reasoning), {"type": "text", "text": message["content"]}]
		return answer

	def _thinking(self, text: str) -> list[dict[str, Any]]:
		return [{"type": "thinking", "thinking": [{"type": "text", "text": text}]}]


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
		reasoning, text, finish, usage = _joined(steps)
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
		summary = [{"type": "summary_text", "text": _joined(steps)[0]}]
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
		text = _joined(steps)[1]
		items = [self._reasoning(steps)] if _joined(steps)[0] else []
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
		return self._response("incomplete" if _joined(steps)[2] in self.cut_short else "completed", steps)


class Anthropic(Family):
	"""Anthropic's messages with thinking blocks (and the signature that ends one)."""

	stop: ClassVar = {"stop": "end_turn", "length": "max_tokens", "content_filter": "refusal"}
	stop["tool_calls"] = "tool_use"

	def __init__(self, model: str) -> None:
		super().__init__(model)
		self.index = -1
		self.signature = SIGNATURE
		self.calls: dict[int, int] = {}

	def _event(self, kind: str, **fields: Any) -> bytes:
		return sse({"type": kind, **fields}, event=kind)

	def start(self) -> bytes:
		message = {
			"id": "msg_1",
			"type": "message",
			"role": "assistant",
			"content": [],
			"model": self.model,
			"stop_reason": None,
			"stop_sequence": None,
			"usage": {"input_tokens": USAGE["prompt"], "output_tokens": 1},
		}
		return self._event("message_start", message=message) + self._event("ping")

	def _open(self, kind: str, **fields: Any) -> bytes:
		if self.last == kind:
			return b""
		done, self.last = self._close(), kind
		self.index += 1
		block: dict[str, Any] = {"type": "thinking", "thinking": "", "signature": ""}
		if fields:
			block = fields
		if kind == "text":
			block = {"type": "text", "text": ""}
		return done + self._event("content_block_start", index=self.index, content_block=block)

	def _close(self) -> bytes:
		if self.last is None:
			return b""
		signature = b""
		if self.last == "reasoning":
			delta = {"type": "signature_delta", "signature": self.signature}
			signature = self._event("content_block_delta", index=self.index, delta=delta)
		return signature + self._event("content_block_stop", index=self.index)

	def step(self, step: Step) -> bytes:
		if "reasoning" in step:
			delta = {"type": "thinking_delta", "thinking": step["reasoning"]}
			return self._open("reasoning") + self._event("content_block_delta", index=self.index, delta=delta)
		if "text" in step:
			delta = {"type": "text_delta", "text": step["text"]}
			return self._open("text") + self._event("content_block_delta", index=self.index, delta=delta)
		if "sealed" in step:
			self.signature = step["sealed"]
			return b""
		if "compacted" in step:
			block = {"content": None, "encrypted_content": None}
			delta = {"type": "compaction_delta", "content": step["compacted"], "encrypted_content": SIGNATURE}
			return (
				self._open("compaction", type="compaction", **block)
				+ self._event("ping")
				+ self._event("content_block_delta", index=self.index, delta=delta)
			)
		if "redacted" in step:
			return self._open("redacted", type="redacted_thinking", data=step["redacted"])
		if "call" in step:
			begun = b""
			if "id" in step:
				block = {"id": step["id"], "name": step["name"], "input": {}}
				begun = self._open(f"call {step['call']}", type="tool_use", **block)
			delta = {"type": "input_json_delta", "partial_json": step.get("arguments", "")}
			return begun + self._event("content_block_delta", index=self.index, delta=delta)
		if "error" in step:
			return self._event("error", error={"type": "overloaded_error", "message": step["error"]})
		usage = {**USAGE, **step.get("usage", {})}
		reason = {"stop_reason": self.stop.get(step["finish"], step["finish"]), "stop_sequence": None}
		counts = {"output_tokens": usage["completion"]}
		if "cached" in usage:
			counts |= {
				"input_tokens": usage["prompt"] - usage["cached"] - usage["written"],
				"cache_read_input_tokens": usage["cached"],
				"cache_creation_input_tokens": usage["written"],
			}
		end = self._event("message_delta", delta=reason, usage=counts)
		return self._close() + end + self._event("message_stop")

	def whole(self, steps: list[Step]) -> dict[str, Any]:
		_, text, finish, usage = _joined(steps)
		content = self._content(steps) or [{"type": "text", "text": text}]
		return {
			"id": "msg_1",
			"type": "message",
			"role": "assistant",
			"model": self.model,
			"content": content,
			"stop_reason": self.stop.get(finish, finish),
			"stop_sequence": None,
			"usage": {"input_tokens": usage["prompt"], "output_tokens": usage["completion"]},
		}

	def _content(self, steps: list[Step]) -> list[dict[str, Any]]:
		reasoning, text, *_ = _joined(steps)
		sealed = [step["sealed"] for step in steps if "sealed" in step] or [SIGNATURE]
		content: list[dict[str, Any]] = []
		if reasoning:
			content.append({"type": "thinking", "thinking": reasoning, "signature": sealed[-1]})
		content += [{"type": "redacted_thinking", "data": s["redacted"]} for s in steps if "redacted" in s]
		content += [{"type": "text", "text": text}] if text else []
		for call in calls_of(steps):
			arguments = json.loads(call["arguments"] or "{}")
			content.append({"type": "tool_use", "id": call["id"], "name": call["name"], "input": arguments})
		return content

	def turn(self, steps: list[Step]) -> Any:
		return self._content(steps)

	def returned(self, body: dict[str, Any]) -> Any:
		return [m["content"] for m in body["messages"] if m["role"] == "assistant"][-1]

	def refusal(self, status: int, message: str) -> dict[str, Any]:
		return {"type": "error", "error": {"type": "api_error", "message": message}}


class Gemini(Family):
	"""Google's generateContent with thought parts."""

	stop: ClassVar = {"stop": "STOP", "length": "MAX_TOKENS", "content_filter": "SAFETY"}
	stop["tool_calls"] = "STOP"

	def __init__(self, model: str) -> None:
		super().__init__(model)
		self.steps: list[Step] = []

	def _response(self, parts: list[dict[str, Any]], finish: str | None, usage: dict[str, int] | None) -> Any:
		candidate: dict[str, Any] = {"content": {"parts": parts, "role": "model"}, "index": 0}
		if finish:
			candidate["finishReason"] = self.stop.get(finish, finish)
		response: dict[str, Any] = {"candidates": [candidate], "modelVersion": self.model, "responseId": "r1"}
		if usage:
			response["usageMetadata"] = {
				"promptTokenCount": usage["prompt"],
				"candidatesTokenCount": usage["completion"] - usage["reasoning"],
				"thoughtsTokenCount": usage["reasoning"],
				"totalTokenCount": usage["prompt"] + usage["completion"],
			}
		return response

	def step(self, step: Step) -> bytes:
		if "reasoning" in step:
			return sse(self._response([{"text": step["reasoning"], "thought": True}], None, None))
		if "text" in step:
			return sse(self._response([{"text": step["text"]}], None, None))
		if "sealed" in step:
			self.steps.append(step)
			return b""
		if "call" in step:
			self.steps.append(step)
			part = self._parts(self.steps)[step["call"]]
			return sse(self._response([part], None, None)) if part else b""
		if "error" in step:
			return sse({"error": {"code": 503, "message": step["error"], "status": "UNAVAILABLE"}})
		return sse(self._response([{"text": ""}], step["finish"], {**USAGE, **step.get("usage", {})}))

	def whole(self, steps: list[Step]) -> dict[str, Any]:
		reasoning, text, finish, usage = _joined(steps)
		parts: list[dict[str, Any]] = [{"text": reasoning, "thought": True}] if reasoning else []
		parts += [{"text": text}] if text or not calls_of(steps) else []
		return self._response([*parts, *filter(None, self._parts(steps))], finish, usage)

	def _parts(self, steps: list[Step]) -> list[dict[str, Any]]:
		"""The calls as parts, the first of them with the signature; {} for one that is not whole."""
		sealed = [{"thoughtSignature": step["sealed"]} for step in steps if "sealed" in step]
		parts: list[dict[str, Any]] = []
		for call in calls_of(steps):
			part = {"name": call["name"]}
			if _is_whole(call):
				function = {**part, "args": json.loads(call["arguments"])}
				parts.append({"functionCall": function, **({} if any(parts) or not sealed else sealed[-1])})
			else:
				parts.append({})
		return parts

	def turn(self, steps: list[Step]) -> Any:
		text = _joined(steps)[1]
		return ([{"text": text}] if text else []) + self._parts(steps)

	def returned(self, body: dict[str, Any]) -> Any:
		parts = [content["parts"] for content in body["contents"] if content["role"] == "model"][-1]
		# The names have two spellings there.
		return [
			{"functionCall" if name == "function_call" else name: value for name, value in part.items()}
			for part in parts
		]

	def refusal(self, status: int, message: str) -> dict[str, Any]:
		return {"error": {"code": status, "message": message, "status": "INVALID_ARGUMENT"}}


class Ollama(Family):
	"""Ollama's own chat API: a JSON object a line, the reasoning in `thinking`."""

	content_type = "application/x-ndjson"

	def __init__(self, model: str) -> None:
		super().__init__(model)
		self.steps: list[Step] = []

	def _line(self, message: dict[str, Any], **fields: Any) -> bytes:
		line = {"model": self.model, "created_at": "2025-01-01T00:00:00Z", "message": message, "done": False}
		return json.dumps({**line, **fields}).encode() + b"\n"

	def step(self, step: Step) -> bytes:
		if "reasoning" in step:
			return self._line({"role": "assistant", "content": "", "thinking": step["reasoning"]})
		if "text" in step:
			return self._line({"role": "assistant", "content": step["text"]})
		if "sealed" in step:
			return b""
		if "call" in step:
			self.steps.append(step)
			call = calls_of(self.steps)[step["call"]]
			if not _is_whole(call):
				return b""
			return self._line({"role": "assistant", "content": "", "tool_calls": self._calls([call])})
		if "error" in step:
			return json.dumps({"error": step["error"]}).encode() + b"\n"
		return self._line({"role": "assistant", "content": ""}, **self._end(step))

	def _end(self, step: Step) -> dict[str, Any]:
		usage = {**USAGE, **step.get("usage", {})}
		return {
			"done": True,
			"done_reason": step["finish"],
			"total_duration": 1,
			"load_duration": 1,
			"prompt_eval_count": usage["prompt"],
			"prompt_eval_duration": 1,
			"eval_count": usage["completion"],
			"eval_duration": 1,
		}

	def whole(self, steps: list[Step]) -> dict[str, Any]:
		reasoning, text, finish, usage = _joined(steps)
		message: dict[str, Any] = {"role": "assistant", "content": text}
		if reasoning:
			message["thinking"] = reasoning
		if calls := calls_of(steps):
			message["tool_calls"] = self._calls(calls)
		line = json.loads(self._line(message))
		return {**line, **self._end({"finish": finish, "usage": usage})}

	def _calls(self, calls: list[dict[str, str]]) -> list[dict[str, Any]]:
		return [
			{
				"id": call["id"],
				"function": {"name": call["name"], "arguments": json.loads(call["arguments"])},
			}
			for call in calls
		]

	def turn(self, steps: list[Step]) -> Any:
		reasoning, text, *_ = _joined(steps)
		thought = {"thinking": reasoning} if reasoning else {}
		return {"content": text, **thought, "tool_calls": self._calls(calls_of(steps))}

	def returned(self, body: dict[str, Any]) -> Any:
		message = [m for m in body["messages"] if m["role"] == "assistant"][-1]
		return {name: message[name] for name in ("content", "thinking", "tool_calls") if name in message}

	def refusal(self, status: int, message: str) -> dict[str, Any]:
		return {"error": message}


FAMILIES: dict[str, type[Family]] = {
	"openai": OpenAI,
	"deepseek": DeepSeek,
	"openrouter": OpenRouter,
	"groq": Groq,
	"mistral": Mistral,
	"openai_responses": Responses,
	"anthropic": Anthropic,
	"gemini": Gemini,
	"ollama_chat": Ollama,
}


def encode(family: Family, steps: list[Step]) -> Iterator[bytes]:
	"""The wire bytes of a script that only speaks: one item a write."""
	if start := family.start():
		yield start
	for step in steps:
		yield family.step(step)
