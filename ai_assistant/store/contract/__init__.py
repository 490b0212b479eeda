"""The tests that every store must pass. Each store's own test file runs them."""

from .base import ANN, BOB, OTHER_ANNS, USAGE, event, row, sums_of
from .conversations import ConversationsContract
from .deliveries import DeliveriesContract
from .events import EventsContract
from .figures import FiguresContract
from .requests import RequestsContract

__all__ = ["ANN", "BOB", "OTHER_ANNS", "USAGE", "StoreContract", "event", "row", "sums_of"]


class StoreContract(
	RequestsContract, EventsContract, FiguresContract, DeliveriesContract, ConversationsContract
):
	"""Mix this into a TestCase that has a `store` without requests of ANN, OTHER_ANNS and BOB."""
