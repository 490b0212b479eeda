"""The Python client: it asks over REST and receives events over Socket.IO."""

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any
from urllib.parse import urlsplit

import httpx

from .chat_stream import ChatStream
from .event_socket import EventSocket, Inbox
from .rest import message_of

# Longer than any web request may take: gunicorn and nginx end one after two minutes.
REQUEST_TIMEOUT_S = 180


def assistant_message(answer: Mapping[str, Any]) -> dict[str, Any]:
	"""Turn an answer into a message for the next request, with its tool calls and what its provider needs back."""
	message = {"role": "assistant", "content": answer["response"]}
	return message | {name: answer[name] for name in ("tool_calls", "continuation") if answer.get(name)}


class Client:
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
		self.url = url.rstrip("/")
		self.site = site
		self.events = EventSocket(socketio_url or url, site)
		self.http = httpx.Client(base_url=self.url, timeout=REQUEST_TIMEOUT_S)
		if token:
			self.http.headers["Authorization"] = f"token {token}"
		elif sid:
			self.http.cookies.set("sid", sid)
		else:
			try:
				message_of(self.http.post("/api/method/login", data={"usr": user, "pwd": password}))
			except BaseException:
				self.http.close()
				raise

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
		cookies = {"socket": "1"} if token else {one.name: one.value for one in self.http.cookies.jar}
		headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}
		if token:
			headers["Authorization"] = token
		self.events.connect(f"{parts.scheme}://{parts.netloc}", headers)

	@contextmanager
	def inbox(self, request_id: str) -> Iterator[Inbox]:
		"""An inbox that receives the socket's messages of a request as long as the context lasts."""
		inbox: Inbox = SimpleQueue()
		self.events.add_inbox(inbox, request_id)
		try:
			yield inbox
		finally:
			self.events.remove_inbox(inbox)

	def get(self, method: str, **params: Any) -> Any:
		"""Call a GET method of `ai_assistant.api` and return its `message`. Raises ApiError and httpx.HTTPError."""
		path = f"/api/method/ai_assistant.api.{method}"
		try:
			response = self.http.get(path, params=params)
		except (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError):
			# The server may close an idle connection just when it is used again.
			response = self.http.get(path, params=params)
		return message_of(response)

	def post(self, method: str, **fields: Any) -> Any:
		"""Call a POST method of `ai_assistant.api` and return its `message`. Raises ApiError and httpx.HTTPError."""
		return message_of(self.http.post(f"/api/method/ai_assistant.api.{method}", json=fields))

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
		return ChatStream(self, {"messages": messages, "request_id": request_id, **present})
