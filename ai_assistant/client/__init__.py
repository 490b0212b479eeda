"""A Python client of a site, and a check that the events it received follow the contract."""

from .chat_stream import ChatStream
from .client import Client, assistant_message
from .rest import ApiError

__all__ = ["ApiError", "ChatStream", "Client", "assistant_message"]
