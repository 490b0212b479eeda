"""Lets programs import the Python client from here, where it was in 0.2.0."""

from ai_assistant.client import ApiError, ChatStream, Client, assistant_message

__all__ = ["ApiError", "ChatStream", "Client", "assistant_message"]
