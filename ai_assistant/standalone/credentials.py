"""Checks of credentials: passwords, API keys, and the lock after too many failures."""

from __future__ import annotations

import base64
import binascii
import hmac
import threading
import time
from collections.abc import Mapping

from .exceptions import AuthenticationError, InvalidAuthorizationToken, SecurityException
from .site_config import User
from .stand_in import _, throw

MAX_FAILURES = 10
LOCK_S = 60
"""Frappe's defaults (System Settings, frappe/auth.py). More failures within a minute lock the user and the IP address until
the minute is over."""


def user_of_key(authorization: str, users: Mapping[str, User]) -> User | None:
	"""The user that an Authorization header names, as frappe/auth.py reads it. None if it names none.

	Raises:
		AuthenticationError: The key or the secret is wrong.
		InvalidAuthorizationToken: A Basic token is not base64.
	"""
	kind, _space, token = authorization.partition(" ")
	if kind.lower() == "basic":
		try:
			token = base64.b64decode(token).decode()
		except binascii.Error:
			throw(
				_("Failed to decode token, please provide a valid base64-encoded token."),
				InvalidAuthorizationToken,
			)
		except ValueError:
			return None
	elif kind.lower() != "token":
		return None
	if token.count(":") != 1:
		return None
	key, secret = token.split(":")
	for user in users.values():
		if user.api_key and user.api_secret and _same(key, user.api_key) and _same(secret, user.api_secret):
			return user
	raise AuthenticationError


class Logins:
	"""Checks passwords and counts failures."""

	def __init__(self) -> None:
		self._failures: dict[str, tuple[float, int]] = {}
		self._counting = threading.Lock()

	def check(self, name: str, password: str, address: str, users: Mapping[str, User]) -> User | None:
		"""The user, or None if the name or the password is wrong. Raises SecurityException after too many failures."""
		counted = [address, name] if name in users else [address]
		for key in counted:
			since, count = self._failures.get(key, (0.0, 0))
			if count > MAX_FAILURES and since + LOCK_S > time.monotonic():
				throw(
					_("Your account has been locked and will resume after {0} seconds").format(LOCK_S),
					SecurityException,
				)
		user = users.get(name)
		expected = user.password if user else None
		# Compared for an unknown name too, so that the time does not reveal which users exist.
		if _same(password, expected or "") and expected:
			with self._counting:
				for key in counted:
					self._failures.pop(key, None)
			return user
		with self._counting:
			self._count(counted)
		return None

	def _count(self, keys: list[str]) -> None:
		now = time.monotonic()
		self._failures = {key: entry for key, entry in self._failures.items() if entry[0] + LOCK_S > now}
		for key in keys:
			since, count = self._failures.get(key, (now, 0))
			self._failures[key] = since, count + 1


def _same(sent: str, expected: str) -> bool:
	return hmac.compare_digest(sent.encode(errors="surrogatepass"), expected.encode(errors="surrogatepass"))
