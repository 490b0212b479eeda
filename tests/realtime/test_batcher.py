"""The batcher: nothing lost, nothing reordered, nothing late, and few events. The tests drive its clock."""

from hypothesis import given
from hypothesis import strategies as st

from ai_assistant.realtime.batcher import MAX_BYTES, USED_DELAY, Batch, Batcher

DELTAS = st.lists(
	st.tuples(
		st.floats(0, 3, allow_nan=False),
		st.sampled_from(["reasoning", "text"]),
		st.text(min_size=1, max_size=30),
	),
	max_size=60,
)


class Driver:
	"""Feeds a batcher as the publisher does: between two deltas it wakes whenever something is due."""

	def __init__(self, max_delay_s: float = 1.0) -> None:
		self.batcher = Batcher(max_delay_s)
		self.now = 0.0
		self.sent: list[Batch] = []
		self.waiting: list[float] = []
		self.longest_wait = 0.0

	def wait(self, seconds: float) -> None:
		end = self.now + seconds
		while (due := self.batcher.due_in(self.now)) is not None and self.now + due <= end:
			self.now += due
			self._leaves(self.batcher.due(self.now))
		self.now = end

	def add(self, kind: str, text: str) -> None:
		self.waiting.append(self.now)
		self._leaves(self.batcher.add(kind, text, self.now))

	def end(self) -> None:
		self._leaves(self.batcher.flush())

	def _leaves(self, batches: list[Batch]) -> None:
		self.sent += batches
		if self.batcher.due_in(self.now) is None and self.waiting:
			self.longest_wait = max(self.longest_wait, self.now - self.waiting[0])
			self.waiting.clear()


def _runs(pieces: list[tuple[str, str]]) -> list[tuple[str, str]]:
	"""Pieces of one kind in a row, joined."""
	runs: list[tuple[str, str]] = []
	for kind, text in pieces:
		if runs and runs[-1][0] == kind:
			runs[-1] = (kind, runs[-1][1] + text)
		else:
			runs.append((kind, text))
	return runs


@given(DELTAS, st.sampled_from([0.2, 1.0]))
def test_nothing_is_lost_reordered_or_late(deltas: list[tuple[float, str, str]], max_delay_s: float) -> None:
	driver = Driver(max_delay_s)
	for pause, kind, text in deltas:
		driver.wait(pause)
		driver.add(kind, text)
	driver.end()
	sent = [(batch.kind, batch.text) for batch in driver.sent]
	assert _runs(sent) == _runs([(kind, text) for _, kind, text in deltas])
	assert all(text for _, text in sent)
	assert driver.longest_wait <= max_delay_s


@given(st.text(alphabet="aä世💡", min_size=1, max_size=200), st.integers(1, 900))
def test_no_batch_is_larger_than_an_event_may_be(text: str, times: int) -> None:
	driver = Driver()
	driver.add("text", "first")
	driver.add("text", text * times)
	driver.end()
	assert "".join(batch.text for batch in driver.sent) == "first" + text * times
	assert all(0 < len(batch.text.encode()) <= MAX_BYTES for batch in driver.sent)


def test_the_first_piece_of_each_phase_leaves_at_once() -> None:
	driver = Driver()
	driver.add("reasoning", "a")
	driver.add("reasoning", "b")
	assert driver.sent == [Batch("reasoning", "a")]
	driver.add("text", "c")
	assert driver.sent == [Batch("reasoning", "a"), Batch("reasoning", "b"), Batch("text", "c")]


def test_what_is_gathered_stays_bounded_however_fast_it_comes() -> None:
	driver = Driver()
	for _ in range(10_000):
		driver.add("text", "x" * 100)
	assert len(driver.sent) >= 10_000 * 100 // MAX_BYTES


def test_an_answer_of_usual_length_takes_5_to_20_events() -> None:
	for seconds in range(1, 13):
		for rate in (10, 50, 150):
			for share in (0.0, 0.3, 0.7):
				driver = Driver()
				pieces = seconds * rate
				for n in range(pieces):
					driver.wait(1 / rate)
					driver.add("reasoning" if n < pieces * share else "text", "word ")
				driver.end()
				# The acceptance and the completion are events too.
				events = len(driver.sent) + 2
				assert 5 <= events <= 20, (seconds, rate, share, events)


def test_a_long_answer_takes_about_one_event_a_second_more() -> None:
	def events(seconds: int) -> int:
		driver = Driver()
		for _ in range(seconds * 50):
			driver.wait(1 / 50)
			driver.add("text", "word ")
		driver.end()
		return len(driver.sent)

	assert 100 <= events(160) - events(60) <= 100 / USED_DELAY + 1


def test_what_a_fast_provider_heaps_up_leaves_before_its_window_is_over() -> None:
	batcher = Batcher()
	batcher.add("text", "a", 0.0)
	assert batcher.add("text", "b" * (MAX_BYTES // 4 - 1), 0.0) == []
	ends = (MAX_BYTES // 4 - 1, MAX_BYTES // 4)
	assert batcher.add("text", "c", 0.0) == [Batch("text", "b" * (MAX_BYTES // 4 - 1) + "c", ends=ends)]


def test_an_event_has_the_text_of_one_call() -> None:
	batcher = Batcher()
	sent = batcher.add("tool_call_delta", "{", 0.0, "c1")
	sent += batcher.add("tool_call_delta", '"a": 1', 0.01, "c1")
	sent += batcher.add("tool_call_delta", "[", 0.02, "c2")
	sent += batcher.add("tool_call_delta", "}", 0.03, "c1")
	sent += batcher.flush()
	assert [(batch.call_id, batch.text) for batch in sent] == [
		("c1", "{"),
		("c1", '"a": 1'),
		("c2", "["),
		("c1", "}"),
	]
