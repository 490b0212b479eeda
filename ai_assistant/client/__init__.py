"""A client of the site in Python, and the check that what it received keeps the contract."""

from .client import ApiError, ChatStream, Client, assistant_message

__all__ = ["ApiError", "ChatStream", "Client", "assistant_message"]
