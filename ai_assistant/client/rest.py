"""The REST half of the client: login, GET and POST, and the errors of a site."""

from typing import Any

import httpx

# Longer than any web request may take: gunicorn and nginx end one after two minutes.
REQUEST_TIMEOUT_S = 180


class ApiError(Exception):
	"""The server refused a request.

	Attributes:
		status: The HTTP status.
		body: The JSON of the answer, or None.
		answer: The answer object in that body, empty if there is none.
	"""

	def __init__(self, status: int, body: Any) -> None:
		self.status = status
		self.body = body
		message = body.get("message") if isinstance(body, dict) else None
		self.answer: dict[str, Any] = message if isinstance(message, dict) else {}
		sentence = self.answer.get("error", {}).get("message") or message or _sentence_for_frappe(body)
		super().__init__(f"{sentence} (HTTP {status})")


def _sentence_for_frappe(body: Any) -> str:
	"""An answer of Frappe's own, which did not reach the app, in a sentence."""
	kind = body.get("exc_type") if isinstance(body, dict) else None
	if kind == "SessionStopped":
		return "the site is in maintenance mode; to end it: bench --site … set-maintenance-mode off"
	# The message is translated, but always contains the name of the unknown method.
	if kind in ("ValidationError", "AppNotInstalledError") and "ai_assistant.api." in str(body):
		return "the site has no app ai_assistant; to install it: bench --site … install-app ai_assistant"
	return "the server gave no reason"


class RestClient:
	"""A logged-in user of one site, over REST."""

	def __init__(
		self,
		url: str,
		user: str | None = None,
		password: str | None = None,
		token: str | None = None,
		sid: str | None = None,
	) -> None:
		"""Log in with `user` and `password`, with a `token` "key:secret", or with the `sid` of a session.

		Raises:
			ApiError: The login is refused.
			httpx.HTTPError: The site does not answer.
		"""
		self.url = url.rstrip("/")
		self.http = httpx.Client(base_url=self.url, timeout=REQUEST_TIMEOUT_S)
		if token:
			self.http.headers["Authorization"] = f"token {token}"
		elif sid:
			self.http.cookies.set("sid", sid)
		else:
			try:
				_message_of(self.http.post("/api/method/login", data={"usr": user, "pwd": password}))
			except BaseException:
				self.http.close()
				raise

	def get(self, method: str, **params: Any) -> Any:
		"""Call a GET method of `ai_assistant.api` and return its `message`. Raises ApiError and httpx.HTTPError."""
		path = f"/api/method/ai_assistant.api.{method}"
		try:
			response = self.http.get(path, params=params)
		except (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError):
			# The server may close an idle connection just when it is used again.
			response = self.http.get(path, params=params)
		return _message_of(response)

	def post(self, method: str, **fields: Any) -> Any:
		"""Call a POST method of `ai_assistant.api` and return its `message`. Raises ApiError and httpx.HTTPError."""
		return _message_of(self.http.post(f"/api/method/ai_assistant.api.{method}", json=fields))


def _message_of(response: httpx.Response) -> Any:
	try:
		body = response.json()
	except ValueError:
		body = None
	if response.is_error:
		raise ApiError(response.status_code, body)
	if not isinstance(body, dict) or "message" not in body:
		# For instance the login page of a network or of a proxy.
		raise httpx.RemoteProtocolError(
			f"something else answers in the place of the site (HTTP {response.status_code})"
		)
	return body["message"]
