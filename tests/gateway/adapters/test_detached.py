"""An answer that a provider of the Responses API runs by itself."""

from typing import Any

import pytest

from ai_assistant.gateway import Detached, Provider, cancel_detached
from tests.gateway.asking import family, gateway, hear, scripted
from tests.support.provider import ScriptedProvider

API = "openai_responses"


def detaching(server: ScriptedProvider, name: str = API, **fields: Any) -> Provider:
	return family(server, API, name=name, extra={"background": True}, **fields)


def test_a_detached_answer_is_stored_at_the_provider_and_names_its_id(
	server: ScriptedProvider, marker: str
) -> None:
	one = detaching(server)
	heard = hear(gateway(one).stream_generate(scripted([{"text": "Yes."}], marker), detached=True))
	assert heard.text == "Yes."
	first = next(chunk for chunk in heard.chunks if isinstance(chunk, Detached))
	assert first == Detached("resp_1", API, one.default_model)
	body = server.wait_for(marker).body
	assert (body["background"], body["store"], body["stream"]) == (True, True, True)


@pytest.mark.parametrize(("detached", "extra"), [(False, {"background": True}), (True, {})])
def test_others_are_neither_detached_nor_stored(
	server: ScriptedProvider, marker: str, detached: bool, extra: dict[str, Any]
) -> None:
	one = family(server, API, extra=extra)
	heard = hear(gateway(one).stream_generate(scripted([{"text": "Yes."}], marker), detached=detached))
	assert not any(isinstance(chunk, Detached) for chunk in heard.chunks)
	body = server.wait_for(marker).body
	assert "background" not in body and body["store"] is False


def test_it_is_read_again_from_its_provider_alone(server: ScriptedProvider, marker: str) -> None:
	one, other = detaching(server, "one"), family(server, "openai", name="other", priority=1)
	messages = scripted([{"reasoning": "Hm."}, {"text": "Yes."}], marker)
	hear(gateway(one).stream_generate(messages, detached=True))
	attached = Detached("resp_1", "one", one.default_model)
	heard = hear(gateway(other, one).stream_generate(messages, detached=True, attach_to=attached))
	assert (heard.reasoning, heard.text, heard.completion.provider) == ("Hm.", "Yes.", "one")
	assert heard.completion.usage and heard.completion.usage.total_tokens == 18
	request = server.requests[-1]
	assert request.path.endswith("/responses/resp_1?stream=true&starting_after=0") and not request.body
	gone = Detached("resp_1", "removed", "m")
	assert hear(gateway(other).stream_generate(messages, attach_to=gone)).failure.kind == "no_answer"


def test_it_is_stopped_on_request(server: ScriptedProvider) -> None:
	cancel_detached([detaching(server)], Detached("resp_of_cancel", API, "m"))
	with server._arrived:
		assert server._arrived.wait_for(
			lambda: any(
				request.path.endswith("/responses/resp_of_cancel/cancel") for request in server.requests
			),
			10,
		)
