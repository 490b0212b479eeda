"""The input of a stored response, which OpenAI's client lists."""

from typing import Any

import openai
import pytest
from openai.types.responses.response_item_list import ResponseItemList
from pydantic import TypeAdapter

from tests.support import script
from tests.support.site import Site
from tests.support.v1 import ask

LIST = TypeAdapter(ResponseItemList)
PNG = (
	"data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAA"
	"AABJRU5ErkJggg=="
)
CLOCK: Any = {"type": "function", "name": "clock", "parameters": {"type": "object", "properties": {}}}
PATCH: Any = {"type": "custom", "name": "patch"}


def test_openais_client_lists_the_input_and_what_it_continues(package: openai.OpenAI, site: Site) -> None:
	calls = [
		{"call": 0, "id": "call_1", "name": "clock", "arguments": "{}"},
		{"call": 1, "id": "call_2", "name": "patch", "arguments": '{"input": "+ x"}'},
	]
	prompt = script(
		{"turn": [{"reasoning": "Hm."}, {"text": "Look."}, *calls]}, {"turn": [{"text": "Noon."}]}
	)
	first = package.responses.create(
		model="scripted",
		instructions="Be brief.",
		tools=[CLOCK, PATCH],
		input=[
			{"role": "developer", "content": "Rules."},
			{
				"role": "user",
				"content": [
					{"type": "input_text", "text": prompt},
					{"type": "input_image", "image_url": PNG, "detail": "low"},
				],
			},
		],
	)
	second = package.responses.create(
		model="scripted",
		tools=[CLOCK, PATCH],
		previous_response_id=first.id,
		input=[
			{"type": "function_call_output", "call_id": "call_1", "output": "noon"},
			{"type": "custom_tool_call_output", "call_id": "call_2", "output": "done"},
		],
	)
	assert second.output_text == "Noon."
	items: list[Any] = list(package.responses.input_items.list(second.id, order="asc", limit=2))
	assert [item.type for item in items if item.type != "reasoning"] == [
		*("message", "message", "message", "function_call", "custom_tool_call"),
		*("function_call_output", "custom_tool_call_output"),
	]
	rules, question = items[:2]
	assert (rules.role, question.role) == ("system", "user")
	assert [part.type for part in question.content] == ["input_text", "input_image"]
	assert (question.content[0].text, question.content[1].image_url) == (prompt, PNG)
	assert [item.output for item in items[-2:]] == ["noon", "done"]
	assert next(item.input for item in items if item.type == "custom_tool_call") == "+ x"
	assert len({item.id for item in items}) == len(items)
	newest_first = [item.id for item in package.responses.input_items.list(second.id)]
	assert newest_first == [item.id for item in reversed(items)]
	page = LIST.validate_python(ask(site, f"/responses/{first.id}/input_items?limit=1").json())
	assert (page.has_more, page.first_id, page.last_id) == (True, page.data[0].id, page.data[0].id)


@pytest.mark.parametrize(
	("query", "names"), [("limit=101", "limit"), ("order=up", "order"), ("after=msg_1", "after")]
)
def test_a_query_that_no_list_has_is_refused(
	package: openai.OpenAI, site: Site, query: str, names: str
) -> None:
	response = package.responses.create(model="scripted", input=script({"text": "Yes."}))
	refused = ask(site, f"/responses/{response.id}/input_items?{query}")
	assert refused.status_code == 400 and refused.json()["error"]["message"].startswith(f"{names} accepts")


def test_an_input_that_is_not_stored_is_said(package: openai.OpenAI) -> None:
	response = package.responses.create(model="scripted", input=script({"text": "Yes."}), store=False)
	with pytest.raises(openai.APIStatusError, match="not kept") as refused:
		package.responses.input_items.list(response.id)
	assert refused.value.status_code == 410
	with pytest.raises(openai.NotFoundError):
		package.responses.input_items.list("resp_nobody")
