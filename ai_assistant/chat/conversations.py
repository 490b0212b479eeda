"""Joins the questions of a task (`task_id`) to a conversation with a title, if the site keeps questions."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ai_assistant import store
from ai_assistant.config.sections import ConfiguredProvider, Retention, Settings
from ai_assistant.gateway import model_details
from ai_assistant.gateway.attachments import parts_of
from ai_assistant.log import fails_quietly

from . import jobs
from .request import ChatRequest

JOB = "ai_assistant.api.conversations.make_title"
MAX_TITLE = 80
# The title is made from the beginning of the first question and of its answer.
MAX_QUOTED = 1000
PROMPT = (
	"Write a title for this conversation in its language: at most six words, no quotation marks, no full stop."
	" Answer with the title alone."
)


def columns_of(user: str, request: ChatRequest, retention: Retention) -> dict[str, Any]:
	"""Returns the columns that make a new request part of a conversation, none if the site does not keep questions."""
	if not (retention.keep_content and retention.keep_questions and request.keeps_question):
		return {}
	# A request without a task_id begins a task.
	is_new = request.task_id == request.request_id
	title = None if is_new else store.current().title(user, request.task_id)
	title = title or (request.excerpt or "")[:MAX_TITLE]
	return {"new_messages": request.new_messages, "title": title}


@fails_quietly
def start_title(name: str, user: str, answer: Mapping[str, Any], retention: Retention) -> None:
	"""Enqueues the job that makes the title of a conversation, after its first answer."""
	if not (retention.keep_content and retention.keep_questions and answer["status"] == "completed"):
		return
	task_id = answer["task_id"]
	# Commits, so that what the caller reads next is not older than this.
	with store.transaction() as current:
		rows = current.of_task(user, task_id, limit=2, wanted=("new_messages", "ai_key"))
	if len(rows) == 1 and rows[0]["new_messages"] and not rows[0]["ai_key"]:
		jobs.enqueue(JOB, "short", f"{JOB}:{name}", user=user, task_id=task_id)


def question_for(row: store.Row) -> list[dict[str, Any]]:
	"""Returns the messages that ask for the title of a conversation whose first request is `row`."""
	question, answer = text_of(row["new_messages"])[:MAX_QUOTED], row["response"][:MAX_QUOTED]
	quoted = f"Question: {question}\n\nAnswer: {answer}"
	return [{"role": "system", "content": PROMPT}, {"role": "user", "content": quoted}]


def text_of(messages: list[dict[str, Any]]) -> str:
	"""Returns the text of the user's messages."""
	asked = [message["content"] for message in messages if message["role"] == "user"]
	return "\n".join(part["text"] for content in asked for part in parts_of(content) if part.get("text"))


def cheapest(settings: Settings) -> tuple[ConfiguredProvider, str] | None:
	"""Returns the model with the lowest price of its tokens, None if no price is known."""
	priced = []
	for provider in settings.providers:
		for model in provider.listed_models:
			if model != "*" and (prices := model_details(provider, model)["prices"]):
				priced.append((prices["input"] + prices["output"], provider.priority, model, provider))
	if not priced:
		return None
	*_order, model, provider = min(priced, key=lambda entry: entry[:3])
	return provider, model


def title_in(text: str) -> str:
	"""Returns the title in a model's answer, empty if there is none."""
	lines = [line.strip().strip("\"'*#„“”«»").strip() for line in text.splitlines()]
	return next((line for line in lines if line), "").removesuffix(".")[:MAX_TITLE]


def without_question(request: ChatRequest) -> ChatRequest:
	"""Returns a request of the site itself, which is no part of a conversation and goes to no socket."""
	return replace(request, publishes=False, keeps_question=False, site_tools=())
