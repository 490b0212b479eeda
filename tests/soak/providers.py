"""The two providers of the soak, played by one scripted server: `flaky` speaks Messages, `steady` Chat Completions.

Each has two keys, and each key has a prompt cache of its own.
"""

import random
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

from tests.contract.test_faults import FAULTS, SAID
from tests.support import unique
from tests.support.prompt_cache import PromptCache
from tests.support.provider import ReceivedRequest, ScriptedProvider
from tests.support.wire import Step

from .task import Round, task_in

FAMILY = {"flaky": "anthropic", "steady": "openai"}
MODEL = {"flaky": "claude-sonnet-4-5", "steady": "scripted"}
KEYS = ("one", "two")
FAULTY = 0.35
"""The share of the requests to `flaky` that fail."""
REFUSED = ("refuses the key", "refuses the account")


class Providers:
	"""What both providers do with each request, and what they have been asked.

	Args:
		port: the port of the server.
		seconds: how long an answer takes.
		seed: of the faults.
	"""

	def __init__(self, port: int, seconds: float, seed: int) -> None:
		self.server = ScriptedProvider(port, self._plan)
		self.asked: Counter[str] = Counter()
		self.faults: Counter[str] = Counter()
		self.refused_keys: set[str] = set()
		self.wrong: list[str] = []
		self._gate: str | None = None
		self._seconds = seconds
		self._random = random.Random(seed)
		self._faults: list[str] = []
		self._steps = {name: steps for name, steps, *_expected in FAULTS}
		self._caches: dict[str, PromptCache] = {}
		self._edited: Counter[str] = Counter()
		self._lock = threading.Lock()

	def config(self) -> list[dict[str, Any]]:
		"""The `providers` of the site's configuration."""
		return [
			{
				"name": name,
				"api": family,
				"api_base": self.server.base(family),
				"keys": [{"label": label, "api_key": self._key(name, label)} for label in KEYS],
				"models": [MODEL[name]],
				"default_model": MODEL[name],
				"priority": priority,
			}
			for priority, (name, family) in enumerate(FAMILY.items(), start=1)
		]

	def midway(self, fault: Callable[[], None]) -> Callable[[], None]:
		"""Makes the next answer wait in its middle. Returns what injects a fault and lets the answer go on."""
		self._gate = unique("gate")

		def inject(gate: str = self._gate) -> None:
			fault()
			self.server.open(gate)

		return inject

	def edit_refused_keys(self) -> bool:
		"""Replaces the keys that were refused, as an administrator does. Returns whether there were any."""
		with self._lock:
			refused, self.refused_keys = self.refused_keys, set()
			for key in refused:
				_soak, name, label, _number = key.split("-")
				if key == self._key(name, label):
					self._edited[f"{name}-{label}"] += 1
		return bool(refused)

	def _key(self, name: str, label: str) -> str:
		return f"soak-{name}-{label}-{self._edited[f'{name}-{label}']}"

	def _plan(self, request: ReceivedRequest) -> list[Step]:
		"""The steps with which the server answers a request."""
		body, key = request.body, request.key
		name = key.split("-")[1]
		round_of = _round_of(body)
		with self._lock:
			self.asked[name] += 1
			cache = self._caches.setdefault(key, PromptCache(has_markers=name == "flaky"))
			self._check(body, round_of)
			fault = self._fault(name)
			if fault in REFUSED:
				self.refused_keys.add(key)
			gate, self._gate = (None, self._gate) if fault else (self._gate, None)
		steps = round_of.steps(self._seconds)
		middle = len(steps) // 2
		if fault:
			injected = self._steps[fault]
			begins = injected[: len(SAID)] == SAID
			return [*steps[:middle], *injected[len(SAID) :]] if begins else injected
		if gate:
			steps.insert(middle, {"gate": gate})
		prompt, cached, written = cache.look(body)
		usage = {"prompt": prompt, "cached": cached, "written": written, "completion": 2_500}
		return [*steps, {"finish": "tool_calls", "usage": usage}]

	def _fault(self, name: str) -> str | None:
		if name != "flaky" or self._random.random() >= FAULTY:
			return None
		if not self._faults:
			self._faults = self._random.sample(sorted(self._steps), len(self._steps))
		fault = self._faults.pop()
		self.faults[fault] += 1
		return fault

	def _check(self, body: dict[str, Any], round_of: Round) -> None:
		"""Records a conversation in which a call or a result is missing, comes twice or is changed."""
		called, answered = _calls_in(body)
		expected = [call["id"] for n in range(round_of.number) for call in Round(round_of.task, n).calls]
		if called != expected or answered != expected:
			self.wrong.append(f"The request for round {round_of.name} has other calls than were made.")


def _round_of(body: dict[str, Any]) -> Round:
	"""The round that a request asks for: as many as there are results of its first call."""
	first = next(message for message in body["messages"] if message["role"] == "user")
	content = first["content"]
	text = content if isinstance(content, str) else content[0]["text"]
	return Round(task_in(text), len(_calls_in(body)[1]) // len(Round(0, 0).calls))


def _calls_in(body: dict[str, Any]) -> tuple[list[str], list[str]]:
	"""The ids of the calls and of the results in a request, in order."""
	called, answered = [], []
	for message in body["messages"]:
		called += [call["id"] for call in message.get("tool_calls") or ()]
		if message["role"] == "tool":
			answered.append(message["tool_call_id"])
		for block in message["content"] if isinstance(message.get("content"), list) else ():
			if block["type"] == "tool_use":
				called.append(block["id"])
			elif block["type"] == "tool_result":
				answered.append(block["tool_use_id"])
	return called, answered
