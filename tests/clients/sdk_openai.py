"""OpenAI's SDK for Python: does what its first argument says and prints what came of it as JSON."""

import json
import sys

import openai

api, action = sys.argv[1:3]
request = json.loads(sys.argv[3])
client = openai.OpenAI(base_url=request["base"], api_key=request["key"], max_retries=2)
socket = client.responses.connect().enter() if api == "socket" else None
parameters = {"type": "object", "properties": {"zone": {"type": "string"}}, "required": ["zone"]}


def chat(messages, **more):
	return client.chat.completions.create(model=request["model"], messages=messages, **more)


class Refused(Exception):
	"""An error that came over the WebSocket."""


def respond(items, stream=False, **more):
	fields = {"model": request["model"], "input": items, "store": False, **more}
	if api == "responses":
		return client.responses.create(stream=stream, **fields)
	socket.response.create(**fields)
	return events() if stream else [*events()][-1].response


def events():
	"""Yields the events of a turn on the WebSocket."""
	for event in socket:
		if event.type == "error":
			raise Refused(event.status, event.error.message)
		yield event
		if event.type in ("response.completed", "response.failed"):
			return


def prompt():
	if api == "chat":
		stream = chat([{"role": "user", "content": request["prompt"]}], stream=True)
		return "".join(chunk.choices[0].delta.content or "" for chunk in stream)
	text = ""
	for event in respond(request["prompt"], stream=True):
		if event.type == "response.output_text.delta":
			text += event.delta
		if event.type == "response.failed":
			raise RuntimeError(event.response.error.message)
	return text


def tools():
	if api == "chat":
		tool = {"type": "function", "function": {"name": "clock", "parameters": parameters}}
		messages = [{"role": "user", "content": request["prompt"]}]
		while True:
			message = chat(messages, tools=[tool]).choices[0].message
			if not message.tool_calls:
				return message.content
			messages.append(message)
			for call in message.tool_calls:
				zone = json.loads(call.function.arguments)["zone"]
				messages.append({"role": "tool", "tool_call_id": call.id, "content": f"noon in {zone}"})
	tool = {"type": "function", "name": "clock", "parameters": parameters}
	items = [{"role": "user", "content": request["prompt"]}]
	while True:
		answer = respond(items, tools=[tool], include=["reasoning.encrypted_content"])
		calls = [item for item in answer.output if item.type == "function_call"]
		if not calls:
			return answer.output_text
		items += answer.output
		for call in calls:
			zone = json.loads(call.arguments)["zone"]
			items.append(
				{"type": "function_call_output", "call_id": call.call_id, "output": f"noon in {zone}"}
			)


def stop():
	ask = (
		chat([{"role": "user", "content": request["prompt"]}], stream=True)
		if api == "chat"
		else respond(request["prompt"], stream=True)
	)
	for event in ask:
		if "So" in event.to_json():
			(socket or ask).close()
			return "stopped"


def error():
	try:
		prompt()
	except openai.APIStatusError as failed:
		return {"status": failed.status_code, "message": failed.message}
	except Refused as failed:
		status, message = failed.args
		return {"status": status, "message": message}
	except (openai.APIError, RuntimeError) as failed:
		return {"status": None, "message": str(failed)}


print(json.dumps({"prompt": prompt, "tools": tools, "stop": stop, "error": error}[action]()))
