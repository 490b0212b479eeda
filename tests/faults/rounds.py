"""Rounds of faults that a site has to survive without keeping anything of them."""

from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from typing import Any

from ai_assistant.client import Client
from tests.support import script, unique
from tests.support.provider import ScriptedProvider

FAULTS: list[dict[str, Any]] = [{"cut": True}, {"error": "x"}, {"raw": "data: {\n\n"}, {"hang": True}]


def rounds(client: Client, provider: ScriptedProvider, count: int) -> None:
	"""That many chats, many of them at once: cut, broken, or cancelled in a silence, with and without a client."""
	with ThreadPoolExecutor(32) as threads:
		for done in [
			threads.submit(_round, client, provider, FAULTS[n % len(FAULTS)], n) for n in range(count)
		]:
			done.result()


def _round(client: Client, provider: ScriptedProvider, fault: dict[str, Any], n: int) -> None:
	marker = unique()[:60]
	pieces = [{"text" if m % 2 else "reasoning": f"piece {m} "} for m in range(n % 3)]
	prompt = script({"note": marker}, *pieces, fault)
	if "hang" in fault and n % 8 == 3:
		_hang_up(client, provider, prompt, marker)
		return
	stream = client.chat(prompt, request_id=marker)
	for event in stream:
		if "hang" in fault and event.get("seq") == n % 3 + 1:
			client.post("cancel", request_id=marker)
	assert stream.answer and stream.answer["status"] in ("failed", "cancelled")


def _hang_up(client: Client, provider: ScriptedProvider, prompt: str, request_id: str) -> None:
	"""The client hangs up, and another one cancels the request."""
	body = {"messages": [{"role": "user", "content": prompt}], "request_id": request_id}
	asking = client.http.build_request("POST", "/api/method/ai_assistant.api.chat_completion", json=body)
	connection = HTTPConnection(asking.url.host, asking.url.port)
	connection.request("POST", asking.url.path, asking.content, dict(asking.headers))
	provider.wait_for(request_id)
	connection.close()
	client.post("cancel", request_id=request_id)
	page = {"status": "running"}
	while page["status"] == "running":
		page = client.get("get_request", request_id=request_id)
