"""The scripted agent: it asks round after round, checks what it gets, and asks again where a round has failed."""

import statistics
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from ai_assistant.client import ChatStream, Client, assistant_message
from ai_assistant.client.conformance import violations

from .providers import Providers
from .task import TOOLS, Round, question

ROUNDS_PER_TASK = 25
"""At 30 kB a round this is about the window of 200,000 tokens. Then an agent begins anew."""
MAX_ATTEMPTS = 6
BODIES = 60
PAUSE_S = 0.2
"""The pause before a request and before those with which it is compared, because a processor that has rested is slower."""


class Agent:
	"""An agent and what it has seen.

	Args:
		client: a client whose socket is connected.
		providers: what the client's site asks.
	"""

	def __init__(self, client: Client, providers: Providers) -> None:
		self.client = client
		self.rounds = self.requests = 0
		self.ends: Counter[str] = Counter()
		self.completions: Counter[int] = Counter()
		self.lost = self.doubled = self.lost_chars = 0
		self.cached_tokens = self.prompt_tokens = 0
		self.overhead_ms: list[float] = []
		self.frappe_ms: list[float] = []
		"""A request to Frappe's own `get_logged_user` with the same token, after each of these rounds."""
		self.body_ms = 0.0
		"""How much longer that request takes with the body of a round in the middle of a task, p50."""
		self.cpu_ms: list[float] = []
		"""The CPU time of the site's web process, for each round in the request."""
		self.wrong: list[str] = providers.wrong
		self._providers = providers
		self._made: set[str] = set()
		self._messages: list[dict[str, Any]] = []
		self._middle: list[dict[str, Any]] = []
		"""The messages of the newest round that is at most in the middle of its task."""

	@property
	def cached_percent(self) -> float:
		return 100 * self.cached_tokens / max(1, self.prompt_tokens)

	@property
	def overhead_p50_ms(self) -> float:
		return statistics.median(self.overhead_ms) if self.overhead_ms else 0.0

	def round(self, background: bool = False, midway: Callable[[], None] | None = None) -> None:
		"""Asks for the next round until it has it.

		Args:
			background: whether a worker answers.
			midway: is called once, when the first text of the answer has come.
		"""
		this = Round(*divmod(self.rounds, ROUNDS_PER_TASK))
		if this.number == 0:
			self._messages = [{"role": "user", "content": question(this.task)}]
		if this.number <= ROUNDS_PER_TASK // 2:
			self._middle = list(self._messages)
		for _attempt in range(MAX_ATTEMPTS):
			answer = self._ask(this, background, midway)
			midway = None
			if answer["status"] == "completed":
				self._take(this, answer)
				self.rounds += 1
				return
		raise AssertionError(f"round {this.name} failed {MAX_ATTEMPTS} times: {dict(self.ends)}")

	def _ask(self, this: Round, background: bool, midway: Callable[[], None] | None) -> dict[str, Any]:
		"""Asks once, and checks what came against the journal and against the contract."""
		self.requests += 1
		self._providers.server.requests.clear()
		time.sleep(PAUSE_S)
		began = time.perf_counter()
		stream = self.client.chat(
			self._messages,
			task_id=f"soak-{this.task}",
			mode="agent",
			tools=TOOLS,
			stream_tool_calls=True,
			background=background,
		)
		events = []
		for event in stream:
			if event["type"] == "ai_status":
				continue
			events.append(event)
			if midway and event["type"] == "text":
				midway()
				midway = None
		ended = time.perf_counter()
		if stream.answer is None:
			raise stream.error or AssertionError("no answer")
		self._check(this, stream, events)
		if not background:
			self._measure(stream.answer, began, ended)
		return stream.answer

	def _check(self, this: Round, stream: ChatStream, events: list[dict[str, Any]]) -> None:
		answer = stream.answer or {}
		code = answer["error"]["code"] if answer.get("error") else answer["status"]
		self.ends[code] += 1
		self.wrong += [f"Round {this.name} ({code}): {sentence}" for sentence in violations(events, answer)]
		journal = self.client.get("get_events", request_id=stream.request_id)["events"]
		self.completions[sum(event["type"] == "completion" for event in journal)] += 1
		stored = {event["seq"]: event for event in journal}
		for event in events:
			if _content(stored.get(event["seq"], {})) != _content(event):
				self.lost_chars += len(_content(event))

	def _take(self, this: Round, answer: dict[str, Any]) -> None:
		"""Makes the calls of an answer, and adds them and their results to the conversation."""
		calls = answer["tool_calls"]
		expected = this.calls
		self.lost += sum(call not in calls for call in expected)
		for call in calls:
			self.doubled += call["id"] in self._made or call not in expected
			self._made.add(call["id"])
		if (answer["reasoning"], answer["response"]) != (this.reasoning, this.text):
			self.wrong.append(f"Round {this.name} has another text than the provider sent.")
		usage = answer["usage"]
		self.cached_tokens += usage["cached_tokens"]
		self.prompt_tokens += usage["prompt_tokens"]
		self._messages += [assistant_message(answer), *this.results()]

	def _measure(self, answer: dict[str, Any], began: float, ended: float) -> None:
		"""Adds the time that is not the provider's, where one request to one provider was enough."""
		received = self._providers.server.requests
		if answer["status"] == "completed" and not answer["attempts"] and len(received) == 1:
			(request,) = received
			its_own = request.written[-1][0] - request.time
			self.overhead_ms.append((ended - began - its_own) * 1000)
			self.frappe_ms.append(self._frappes_own())

	def measure_body(self) -> None:
		"""Measures `body_ms`. Call it after the rounds, because Frappe frees such bodies late, and memory is measured."""
		body = {"messages": self._middle, "tools": TOOLS}
		with_body, without = [], []
		for _turn in range(BODIES):
			with_body.append(self._frappes_own(json=body))
			without.append(self._frappes_own())
		self.body_ms = statistics.median(with_body) - statistics.median(without)

	def _frappes_own(self, **body: Any) -> float:
		"""Returns how many milliseconds a request to a method of Frappe takes."""
		time.sleep(PAUSE_S)
		began = time.perf_counter()
		self.client.http.post("/api/method/frappe.auth.get_logged_user", **body).raise_for_status()
		return (time.perf_counter() - began) * 1000


def _content(event: dict[str, Any]) -> str:
	"""What a client shows of an event."""
	return f"{event.get('text', '')}{event.get('arguments', '')}"
