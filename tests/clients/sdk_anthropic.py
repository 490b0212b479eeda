"""Anthropic's SDK for Python: does what its first argument says and prints what came of it as JSON."""

import json
import sys

import anthropic

_api, action = sys.argv[1:3]
request = json.loads(sys.argv[3])
client = anthropic.Anthropic(base_url=request["base"], api_key=request["key"], max_retries=2)
CLOCK = {
	"name": "clock",
	"input_schema": {"type": "object", "properties": {"zone": {"type": "string"}}, "required": ["zone"]},
}


def ask(messages, **more):
	return client.messages.stream(model=request["model"], max_tokens=500, messages=messages, **more)


def prompt():
	with ask([{"role": "user", "content": request["prompt"]}]) as stream:
		return "".join(stream.text_stream)


def tools():
	messages = [{"role": "user", "content": request["prompt"]}]
	while True:
		with ask(messages, tools=[CLOCK]) as stream:
			message = stream.get_final_message()
		calls = [block for block in message.content if block.type == "tool_use"]
		if not calls:
			return "".join(block.text for block in message.content if block.type == "text")
		messages.append({"role": "assistant", "content": message.content})
		results = [
			{"type": "tool_result", "tool_use_id": call.id, "content": f"noon in {call.input['zone']}"}
			for call in calls
		]
		messages.append({"role": "user", "content": results})


def runner():
	"""The SDK's own loop, which asks for a thread on the server first."""

	@anthropic.beta_tool
	def clock(zone: str) -> str:
		"""Tells the time."""
		return f"noon in {zone}"

	texts = []
	for stream in (False, True):
		messages = [{"role": "user", "content": request["prompt"]}]
		replies = client.beta.messages.tool_runner(
			model=request["model"], max_tokens=500, tools=[clock], messages=messages, stream=stream
		)
		*_, last = (reply.get_final_message() if stream else reply for reply in replies)
		texts.append(last.content[-1].text)
	return texts


def stop():
	with ask([{"role": "user", "content": request["prompt"]}]) as stream:
		for text in stream.text_stream:
			if "So" in text:
				return "stopped"


def error():
	try:
		prompt()
	except anthropic.APIStatusError as failed:
		return {"status": failed.status_code, "message": failed.message}


print(
	json.dumps({"prompt": prompt, "tools": tools, "runner": runner, "stop": stop, "error": error}[action]())
)
