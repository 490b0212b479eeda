"""Keeps the health of providers in Redis, where all processes of a site share it, and counts the calls of `count_tokens`.

If Redis does not answer, each process keeps its own. The standalone site is one process and has no Redis.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import frappe

from ai_assistant.gateway import Provider
from ai_assistant.gateway.health import Health, LocalState, Rest, State, with_each_key
from ai_assistant.realtime import redis_health

TIMEOUT_S = 0.1
# After an error Redis is not asked for this long: a chat must not wait for it.
PAUSE_S = 5.0
T = TypeVar("T")


class SharedState:
	"""Keeps the state in Redis, and in this process's memory while Redis does not answer.

	Implements `ai_assistant.gateway.health.State`.
	"""

	def __init__(self, url: str, prefix: str) -> None:
		self._redis: Any = redis_health.connection(url, TIMEOUT_S)
		self._prefix = prefix
		self._local = LocalState()
		self._paused_until = 0.0

	@property
	def is_paused(self) -> bool:
		"""Whether Redis has not answered lately, and is not asked for a moment."""
		return time.monotonic() < self._paused_until

	def get(self, names: Sequence[str]) -> Mapping[str, str]:
		def ask() -> Mapping[str, str]:
			values = self._redis.mget([self._prefix + name for name in names])
			return {
				name: value.decode() for name, value in zip(names, values, strict=True) if value is not None
			}

		return self._or_locally(ask, lambda: self._local.get(names)) if names else {}

	def put(self, name: str, value: str, seconds: float, if_absent: bool = False) -> bool:
		def ask() -> bool:
			milliseconds = max(1, round(seconds * 1000))
			return bool(self._redis.set(self._prefix + name, value, px=milliseconds, nx=if_absent))

		return self._or_locally(ask, lambda: self._local.put(name, value, seconds, if_absent))

	def add(self, name: str, seconds: float, without: Sequence[str] = ()) -> int:
		def ask() -> int:
			pipe = self._redis.pipeline()
			pipe.set(self._prefix + name, 0, px=max(1, round(seconds * 1000)), nx=True)
			pipe.incr(self._prefix + name)
			if without:
				pipe.delete(*(self._prefix + other for other in without))
			return int(pipe.execute()[1])

		return self._or_locally(ask, lambda: self._local.add(name, seconds, without))

	def delete(self, names: Sequence[str]) -> None:
		self._or_locally(
			lambda: self._redis.delete(*(self._prefix + name for name in names)),
			lambda: self._local.delete(names),
		)

	def _or_locally(self, ask: Callable[[], T], locally: Callable[[], T]) -> T:
		import redis

		if not self.is_paused:
			try:
				return ask()
			except redis.exceptions.RedisError:
				self._paused_until = time.monotonic() + PAUSE_S
		return locally()


_states: dict[str, State] = {}


def state() -> State:
	"""Returns the state of this site. It is shared if the site has a `redis_cache`."""
	site = frappe.local.site
	if site not in _states:
		url = frappe.conf.get("redis_cache")
		_states[site] = SharedState(url, f"{site}|ai_assistant_health|") if url else LocalState()
	return _states[site]


def of_site() -> Health:
	"""Returns which providers and keys of this site rest."""
	return Health(state())


def state_of(providers: Sequence[Provider]) -> dict[tuple[str, str], Rest | None]:
	"""Returns whether the keys of providers rest, by the name of the provider and the label of the key.

	A provider that rests as a whole rests with all its keys. The label of a provider's only key is empty.
	"""
	variants = [variant for provider in providers for variant in with_each_key(provider)]
	rests = of_site().rests(variants)
	names = [(variant.name, variant.key_label) for variant in variants]
	return {name: rests.get(name) for name in names}
