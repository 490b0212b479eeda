"""Cool-down: a provider or a key that has just failed rests, and the others are asked first.

The state is small and short-lived, so it is kept in a cache (`State`) that all processes of a site can share. It is
only advice: if everything rests, or if the state is lost, providers are asked in their usual order.
"""

import hashlib
import math
import threading
import time
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Protocol

from .chunks import Provider
from .errors import ProviderError

WINDOW_S = 60
BUCKET_S = 10
# A provider rests after this many failures within WINDOW_S, if they are at least half of all its answers.
FAILURES = 5
# A provider that did not answer within its time limits costs each chat that time, so two in a row are enough.
HANGS = 2
PROVIDER_REST_S = 30.0
# A provider that is silent for so long may hang. From the third chat on that waits so long, the next provider is asked as
# well. A slow provider may be silent for twice its usual time.
SILENCE_S = 1.0
SLOW_FACTOR = 2
# How long the usual time of a slow provider is kept. A shorter time replaces a longer one step by step.
USUAL_S, USUAL_DECAY = 3600.0, 0.9
# One chat asks a provider whose rest is over; the others wait this long for the result.
PROBE_S = 60
KEY_REST_S = 10.0
MAX_REST_S = 600.0
# A refused key rests until it is edited: another key has another fingerprint. The state does not grow for ever.
REFUSED_REST_S = 30 * 86_400.0
# With this many values, a process removes those that have expired before it adds one.
MAX_LOCAL = 1000

# Kinds of ProviderError. A key that the provider refuses; a key that has reached a limit.
REFUSED = frozenset(("refused_key", "out_of_credit"))
OF_THE_KEY = REFUSED | {"rate_limited"}
# The provider did not answer in time.
HUNG = frozenset(("first_token",))


class State(Protocol):
	"""A cache of strings that expire, shared by the processes of a site where that is possible."""

	def get(self, names: Sequence[str]) -> Mapping[str, str]:
		"""Returns the values of those names that have one."""
		...

	def put(self, name: str, value: str, seconds: float, if_absent: bool = False) -> bool:
		"""Stores a value for some seconds. Returns False if `if_absent` is set and there is a value."""
		...

	def add(self, name: str, seconds: float, without: Sequence[str] = ()) -> int:
		"""Adds 1 to a number that starts at 0 and expires after `seconds`, and deletes the names `without`. Returns the sum."""
		...

	def delete(self, names: Sequence[str]) -> None: ...


class LocalState:
	"""The state of one process, for a site without Redis and for a site whose Redis does not answer."""

	def __init__(self) -> None:
		self._values: dict[str, tuple[str, float]] = {}
		self._lock = threading.Lock()

	def get(self, names: Sequence[str]) -> Mapping[str, str]:
		now = time.monotonic()
		with self._lock:
			return {name: entry[0] for name in names if (entry := self._entry(name, now))}

	def put(self, name: str, value: str, seconds: float, if_absent: bool = False) -> bool:
		now = time.monotonic()
		with self._lock:
			if if_absent and self._entry(name, now):
				return False
			self._put(name, value, now + seconds, now)
			return True

	def add(self, name: str, seconds: float, without: Sequence[str] = ()) -> int:
		now = time.monotonic()
		self.delete(without)
		with self._lock:
			value, until = self._entry(name, now) or ("0", now + seconds)
			total = int(value) + 1
			self._put(name, str(total), until, now)
			return total

	def delete(self, names: Sequence[str]) -> None:
		with self._lock:
			for name in names:
				self._values.pop(name, None)

	def _entry(self, name: str, now: float) -> tuple[str, float] | None:
		"""Returns a value that has not expired, and when it does."""
		entry = self._values.get(name)
		return entry if entry and entry[1] > now else None

	def _put(self, name: str, value: str, until: float, now: float) -> None:
		if len(self._values) >= MAX_LOCAL and name not in self._values:
			self._values = {key: entry for key, entry in self._values.items() if entry[1] > now}
		self._values[name] = (value, until)


@dataclass(frozen=True)
class Rest:
	"""Why a provider or a key rests, as a kind of ProviderError, and until when (UNIX time in seconds)."""

	kind: str
	until: float


@dataclass(frozen=True)
class Standing:
	"""The order in which providers are asked, each with one key, and what was known of them at that moment.

	Args:
		order: the providers that do not rest, and then the others.
		rests: what rests, by the name of the provider and the label of its key.
		probes: the names of the providers that have rested and have not answered since.
		usual_s: the seconds to the first chunk of providers that are slow for the model they are asked for, by name.
	"""

	order: list[Provider]
	rests: Mapping[tuple[str, str], Rest]
	probes: Container[str]
	usual_s: Mapping[str, float]

	def is_resting(self, provider: Provider) -> bool:
		"""Whether a provider or its key rests."""
		return (provider.name, provider.key_label) in self.rests

	def is_probe(self, provider: Provider) -> bool:
		"""Whether a provider is asked to find out if it answers again."""
		return provider.name in self.probes and not self.is_resting(provider)

	def silence_s(self, provider: Provider) -> float:
		"""Returns how many seconds a provider may be silent before it may hang."""
		return max(SILENCE_S, SLOW_FACTOR * self.usual_s.get(provider.name, 0.0))


class Health:
	"""Which providers and keys of a site rest."""

	def __init__(self, state: State) -> None:
		self._state = state

	def standing(
		self,
		providers: Sequence[Provider],
		named: Container[str] = (),
		models: Mapping[str, str] | None = None,
	) -> Standing:
		"""Returns the same providers with those that rest at the end.

		A provider whose rest is over stays at the end for all chats but one, until that one has an answer. A chat that
		asks another provider first does not count as that one.

		Args:
			providers: in the order in which they would be asked if all of them were well.
			named: the names of those that the client asked for. They are asked before the others although they rest,
				unless they rest because they did not answer in time: the client would wait for that again.
			models: the model for which each is asked, by the name of the provider. A key that was refused for one
				model (403) rests for that model alone.
		"""
		asked = {provider.name: (models or {}).get(provider.name, "") for provider in providers}
		forbidden = {_forbidden(provider, asked[provider.name]) for provider in providers}
		usual = {provider.name: _of_model("usual", provider, asked[provider.name]) for provider in providers}
		known = self._known(providers, {*forbidden, *usual.values()})
		rests = _rests(providers, known)
		claimed: dict[str, bool] = {}
		ready: list[Provider] = []
		resting: list[Provider] = []
		named_and_resting: list[Provider] = []
		for provider in providers:
			if rest := rests.get((provider.name, provider.key_label)):
				is_asked_first = provider.name in named and rest.kind not in HUNG
				(named_and_resting if is_asked_first else resting).append(provider)
				continue
			claim = _name("claim", provider)
			if not ready and _name("probe", provider) in known and claim not in claimed:
				claimed[claim] = self._state.put(claim, "1", PROBE_S, if_absent=True)
			(ready if claimed.get(claim, True) else resting).append(provider)
		# The sort is stable: of those that are named, the ready ones come first.
		order = sorted([*ready, *named_and_resting], key=lambda provider: provider.name not in named)
		probes = {provider.name for provider in providers if _name("probe", provider) in known}
		usual_s = {provider: float(known[name]) for provider, name in usual.items() if name in known}
		return Standing(order + resting, rests, probes, usual_s)

	def rests(self, providers: Sequence[Provider]) -> dict[tuple[str, str], Rest]:
		"""Returns what rests, by the name of the provider and the label of its key."""
		last = self._state.get([_last_forbidden(provider) for provider in providers])
		forbidden = {
			_forbidden(provider, last[name])
			for provider in providers
			if (name := _last_forbidden(provider)) in last
		}
		return _rests(providers, self._known(providers, forbidden))

	def succeeded(self, provider: Provider, model: str = "", first_s: float = 0.0) -> None:
		"""Records that a provider has begun to answer for a model, `first_s` seconds after it was asked."""
		of_provider = [_name(kind, provider) for kind in ("rest", "probe", "claim", "hung")]
		silent = _of_model("silent", provider, model)
		over = [*of_provider, _key(provider), _forbidden(provider, model), silent]
		self._state.add(_bucket("ok", provider), WINDOW_S + BUCKET_S, over)
		if first_s > SILENCE_S:
			name = _of_model("usual", provider, model)
			before = float(self._state.get([name]).get(name, 0))
			self._state.put(name, f"{max(first_s, USUAL_DECAY * before):.1f}", USUAL_S)

	def silent(self, provider: Provider, model: str) -> bool:
		"""Records that a chat waits longer than usual for the first chunk of a provider.

		Returns: whether HANGS other chats have waited as long within a minute, and the provider has answered none since.
		"""
		return self._state.add(_of_model("silent", provider, model), WINDOW_S) > HANGS

	def undecided(self, provider: Provider) -> None:
		"""Records that an attempt has told nothing about a provider, so that the next chat may try it after a rest."""
		self._state.delete([_name("claim", provider)])

	def failed(self, provider: Provider, error: ProviderError) -> None:
		"""Records that a provider has failed before its first chunk, and decides whether it or its key rests."""
		if error.kind == "refused_key" and error.values.get("status") == "403":
			# Many providers answer so for a model that the key may not ask. It may ask the others.
			model = error.values["model"]
			self._state.put(_last_forbidden(provider), model, REFUSED_REST_S)
			self._rest(_forbidden(provider, model), error.kind, REFUSED_REST_S)
		elif error.kind in OF_THE_KEY:
			limited_s = min(error.retry_after or KEY_REST_S, MAX_REST_S)
			rests_s = {"refused_key": REFUSED_REST_S, "out_of_credit": MAX_REST_S}
			self._rest(_key(provider), error.kind, rests_s.get(error.kind, limited_s))
		elif error.retryable:
			failures = self._state.add(_bucket("failed", provider), WINDOW_S + BUCKET_S)
			hangs = self._state.add(_name("hung", provider), WINDOW_S) if error.kind in HUNG else 0
			probing = _name("probe", provider) in self._known([provider])
			if probing or hangs >= HANGS or self._fails_too_often(provider, failures):
				self._rest(_name("rest", provider), error.kind, PROVIDER_REST_S)
				self._state.put(_name("probe", provider), "1", PROVIDER_REST_S + WINDOW_S)
				self.undecided(provider)
		else:
			self.undecided(provider)

	def _rest(self, name: str, kind: str, seconds: float) -> None:
		self._state.put(name, f"{kind} {time.time() + seconds}", seconds)

	def _fails_too_often(self, provider: Provider, failures: int) -> bool:
		buckets = [
			_bucket(kind, provider, back) for kind in ("ok", "failed") for back in range(WINDOW_S // BUCKET_S)
		]
		counts = {name: int(value) for name, value in self._state.get(buckets).items()}
		failed = sum(count for name, count in counts.items() if name.startswith("failed:"))
		failed = max(failed, failures)
		return failed >= FAILURES and 2 * failed >= sum(counts.values())

	def _known(self, providers: Sequence[Provider], forbidden: Iterable[str] = ()) -> Mapping[str, str]:
		names = {
			name
			for provider in providers
			for name in (_key(provider), _name("rest", provider), _name("probe", provider))
		}
		return self._state.get(sorted({*names, *forbidden}))


def with_each_key(provider: Provider) -> list[Provider]:
	"""Returns the provider once for each of its keys; as it is if it has one key without a label."""
	if not provider.keys:
		return [provider]
	return [
		replace(provider, api_key=key.api_key, key_label=key.label, weight=key.weight, keys=())
		for key in provider.keys
	]


def by_weight(providers: Sequence[Provider], sticky: str) -> list[Provider]:
	"""Orders providers of equal priority, or keys of one provider, by weight.

	The same `sticky` (a task) gives the same order, so that a task keeps its provider's cache; over many tasks each is
	first as often as its weight says (weighted rendezvous hashing).
	"""

	def score(provider: Provider) -> float:
		words = f"{sticky}\0{provider.name}\0{provider.key_label}".encode()
		share = (int.from_bytes(hashlib.sha256(words).digest()[:8], "big") + 1) / (2**64 + 1)
		return -math.log(share) / max(1 if provider.weight is None else provider.weight, 1e-9)

	has_weights = len(providers) > 1 and any(provider.weight is not None for provider in providers)
	return sorted(providers, key=score) if has_weights else [*providers]


def _rests(providers: Sequence[Provider], known: Mapping[str, str]) -> dict[tuple[str, str], Rest]:
	now, rests = time.time(), {}
	for provider in providers:
		key = _key(provider)
		of_model = [name for name in known if name.startswith(f"{key}:")]
		for name in (key, *of_model, _name("rest", provider)):
			if name in known:
				kind, _, until = known[name].partition(" ")
				if float(until) > now:
					rests[(provider.name, provider.key_label)] = Rest(kind, float(until))
					break
	return rests


def _name(kind: str, provider: Provider) -> str:
	"""Returns a name in the state: it changes with the address, because another server has another health."""
	address = f"{provider.api}\0{provider.api_base}"
	return f"{kind}:{provider.name}:{_hash(address, 8)}"


def _bucket(kind: str, provider: Provider, back: int = 0) -> str:
	return f"{_name(kind, provider)}:{int(time.time() // BUCKET_S) - back}"


def _key(provider: Provider) -> str:
	"""Returns the name of a key in the state: it changes with the key and the address, and does not reveal the key."""
	return f"{_name('key', provider)}:{_hash(provider.api_key, 24)}"


def _forbidden(provider: Provider, model: str) -> str:
	"""Returns the name of a key that was refused for a model."""
	return f"{_key(provider)}:{_hash(model, 16)}"


def _of_model(kind: str, provider: Provider, model: str) -> str:
	"""Returns a name in the state for a provider's model.

	Args:
		kind: `silent` counts the chats that wait for the first chunk, `usual` is a slow model's usual time to it.
	"""
	return f"{_name(kind, provider)}:{_hash(model, 16)}"


# A chat needs about fifty of these names. The cache contains keys of providers, as the settings of the process do.
@lru_cache(maxsize=1024)
def _hash(text: str, length: int) -> str:
	return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:length]


def _last_forbidden(provider: Provider) -> str:
	"""Returns the name of the model for which a key was refused last."""
	return _name("forbidden", provider) + _key(provider)
