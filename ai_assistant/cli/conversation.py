"""The chat of `ai-assistant chat`: question, answer, and the tools that the model calls in between."""

import sys
import time
import uuid
from collections.abc import Iterator
from typing import Any

import click
from rich.console import Console

from ai_assistant.client import ApiError, ChatStream, Client, assistant_message
from ai_assistant.printing import printable_text

from . import actions
from .local_site import say
from .local_tools import LocalTools
from .terminal import show_all, view_for

# A model may call tools without end.
MAX_ROUNDS = 10


def converse(
	client: Client, prompt: str, tools: LocalTools | None, as_json: bool, fields: dict[str, Any]
) -> int:
	"""Ask, run the tools that the model calls, and ask again until it calls none.

	Args:
		client: A client with a connected socket.
		prompt: The question.
		tools: The tools that the model may call.
		as_json: Print the events instead of drawing the chat.
		fields: Other fields of chat_completion.

	Returns:
		The exit code.
	"""
	messages: list[dict[str, Any]] = [{"role": "user", "content": prompt}]
	if tools:
		fields = {**fields, "tools": tools.offered, "stream_tool_calls": True, "task_id": str(uuid.uuid4())}
	for _round in range(MAX_ROUNDS):
		started = time.monotonic()
		stream = client.chat(messages, **fields)
		try:
			events = show_all(view_for(Console(highlight=False), as_json), _decided(client, stream, as_json))
		except (KeyboardInterrupt, BrokenPipeError):
			client.post("cancel", request_id=stream.request_id)
			raise
		if stream.answer and not events and not as_json:
			click.echo(printable_text(stream.answer["response"]))
		code, lines = actions.verdict(stream, events, time.monotonic() - started)
		for line in lines:
			say(line)
		calls = stream.answer and stream.answer.get("tool_calls")
		if code or not tools or not stream.answer or not calls or stream.answer["status"] != "completed":
			return code
		messages.append(assistant_message(stream.answer))
		for call in calls:
			result = tools.run(call)
			say(f"🔧 {call['function']['name']} → {result}")
			messages.append({"role": "tool", "tool_call_id": call["id"], "content": result})
	say(f"✗ The model still calls tools after {MAX_ROUNDS} rounds. Ask again with a narrower question.")
	return actions.FAILED


def _decided(client: Client, stream: ChatStream, as_json: bool) -> Iterator[dict[str, Any]]:
	"""Yields the events of a chat, and asks in the terminal about each call that needs approval.

	Without a terminal no call is approved.
	"""
	for event in stream:
		# The view shows the call before the question.
		yield event
		if event["type"] != "tool_approval":
			continue
		asks = sys.stdin.isatty() and not as_json
		approved = asks and click.confirm(
			f"The model asks to run {printable_text(event['name'])}. Approve?", err=True
		)
		if not asks:
			say(f"✗ {event['name']} needs approval in a terminal; it is refused.")
		try:
			client.post(
				"approve", request_id=stream.request_id, approval=event["approval"], approved=approved
			)
		except ApiError as error:
			say(f"✗ {error}")
