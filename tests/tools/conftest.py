"""The fixtures of `tests/chat`: a site in this process, and a scripted provider."""

from tests.chat.conftest import chat_site, scripted_provider

__all__ = ["chat_site", "scripted_provider"]
