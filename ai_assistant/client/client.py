"""The Python client: it asks over REST and receives events over Socket.IO."""

import uuid
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any
from urllib.parse import urlsplit

from .chat_stream import ChatStream
from .event_socket import EventSocket, Inbox
from .rest import RestClient


def assistant_message(answer: Mapping[str, Any]) -> dict[str, Any]:
	"""Turn an answer into a message for the next request, with its tool calls and what its provider needs back."""
	message = {"role": "assistant", "content": answer["response"]}
	return message | {name: answer[name] for name in ("tool_calls", "continuation") if answer.get(name)}


class Client(RestClient):
	"""A user of one site. As a context manager it closes the socket and the connections at the end."""

	def __init__(
		self,
		url: str,
		site: str,
		socketio_url: str | None = None,
		user: str | None = None,
		password: str | None = None,
		token: str | None = None,
		sid: str | None = None,
	) -> None:
		"""Log in with `user` and `password`, with a `token` "key:secret", or with the `sid` of a session.

		Args:
			url: The address of the web server.
			site: The name of the site.
			socketio_url: The address of the realtime server, if it has a port of its own.

		Raises:
			ApiError: The login is refused.
			httpx.HTTPError: The site does not answer.
		"""
		super().__init__(url, user, password, token, sid)
		self.site = site
		self.events = EventSocket(socketio_url or url, site)

	def __enter__(self) -> "Client":
		return self

	def __exit__(self, *exc: object) -> None:
		self.close()

	@property
	def socketio_url(self) -> str:
		"""The address of the realtime server."""
		return self.events.url

	@property
	def socket(self) -> Any:
		"""The socketio.SimpleClient, None before `connect()`."""
		return self.events.socket

	def close(self) -> None:
		"""Close the socket and the connections."""
		self.events.close()
		self.http.close()

	def connect(self) -> None:
		"""Open the socket, which joins the user's room. A socket that was open before is closed.

		The realtime server compares the hosts of Origin and Host, and sends a request to the origin. It needs a Cookie
		header even with a token, and prefers a `sid` in it (frappe/realtime/middlewares/authenticate.js). With a token
		the client therefore sends a meaningless cookie.

		Raises:
			socketio.exceptions.ConnectionError: The server refuses the socket or does not answer.
		"""
		parts = urlsplit(self.url)
		token = self.http.headers.get("Authorization")
		cookies = (
			{"socket": "1"} if token else {cookie.name: cookie.value for cookie in self.http.cookies.jar}
		)
		headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}
		if token:
			headers["Authorization"] = token
		self.events.connect(f"{parts.scheme}://{parts.netloc}", headers)

	def inbox(self, request_id: str) -> AbstractContextManager[Inbox]:
		"""An inbox that receives the socket's messages of a request as long as the context lasts."""
		return self.events.inbox(request_id)

	def chat(self, messages: list[dict[str, Any]] | str, **fields: Any) -> ChatStream:
		"""Start a chat.

		Args:
			messages: The messages, or one user message as a string.
			**fields: Other fields of chat_completion. None leaves a field out.

		Returns:
			The stream. Iterate over it for the events; its `answer` or `error` is set afterwards.
		"""
		if isinstance(messages, str):
			messages = [{"role": "user", "content": messages}]
		request_id = fields.pop("request_id", None) or str(uuid.uuid4())
		present = {name: value for name, value in fields.items() if value is not None}
		return ChatStream(self, self.events, {"messages": messages, "request_id": request_id, **present})
