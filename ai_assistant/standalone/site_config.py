"""The site's config file: what `frappe.conf` holds, and the users of the site."""

from __future__ import annotations

import json
import logging
import re
import secrets
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

_log = logging.getLogger(__name__)

AI_KEY = r"aik-[A-Za-z0-9_-]{32,100}"
_STANDARD_ROLES = ("All", "Guest")
_ADMINISTRATOR_ROLES = ("Administrator", "System Manager", "AI Assistant User")


class BadSiteConfig(Exception):
	"""The config file cannot be used. The message is one sentence that says where and why."""


@dataclass(frozen=True)
class User:
	"""One entry of `standalone_users`. Without a password the user cannot log in, without an API key there is no token.

	`ai_key` is an AI Key for editors (`ai_assistant.keys`). On a bench it is the DocType AI Key.
	"""

	name: str
	password: str | None = field(default=None, repr=False)
	api_key: str | None = None
	api_secret: str | None = field(default=None, repr=False)
	ai_key: str | None = field(default=None, repr=False)
	roles: tuple[str, ...] = ()
	user_type: str = "System User"
	desk_theme: str = "Automatic"

	@cached_property
	def ai_key_hash(self) -> str:
		"""The SHA-256 hash of the AI Key."""
		# It imports frappe, for which the stand-in is not in place when this module is imported.
		from ai_assistant import keys

		return keys.digest(self.ai_key or "")


GUEST = User("Guest", roles=("Guest",), user_type="Website User")


class Settings(NamedTuple):
	"""The content of the file: what `frappe.conf` holds, and the users by their names."""

	values: dict[str, Any]
	users: dict[str, User]

	def roles_of(self, name: str) -> list[str]:
		"""The roles of a user, as `frappe.get_roles` returns them."""
		user = self.users.get(name)
		if user is None:
			return ["Guest"]
		roles = dict.fromkeys(user.roles)
		if name == "Administrator":
			roles |= dict.fromkeys(_ADMINISTRATOR_ROLES)
			roles |= dict.fromkeys(role for other in self.users.values() for role in other.roles)
		roles |= dict.fromkeys(_STANDARD_ROLES)
		if user.user_type == "System User":
			roles["Desk User"] = None
		return list(roles)


class SiteConfig:
	"""The file, which is read again after each change: a setting takes effect with the next request."""

	def __init__(self, path: Path | None = None) -> None:
		"""Without a path, or without users in the file, there is one Administrator with a generated password.

		Raises:
			BadSiteConfig: The file cannot be used.
		"""
		self._path = path
		self._administrator = User("Administrator", secrets.token_urlsafe(12))
		self._read: object = self._version()
		self._settings = self._load()

	def current(self) -> Settings:
		"""The current content. If the file has become unusable, that is logged once, and the last good content remains."""
		if (version := self._version()) != self._read:
			self._read = version
			try:
				self._settings = self._load()
			except BadSiteConfig as error:
				_log.warning("%s The previous settings remain in force.", error)
		return self._settings

	def _version(self) -> object:
		try:
			stat = self._path.stat() if self._path else None
		except OSError:
			return None
		return stat and (stat.st_mtime_ns, stat.st_size, stat.st_ino)

	def _load(self) -> Settings:
		if self._path is None:
			return Settings({}, {self._administrator.name: self._administrator})
		try:
			values = json.loads(self._path.read_text("utf-8"))
		except OSError as error:
			raise BadSiteConfig(f"{self._path} cannot be read: {error.strerror}.") from None
		except ValueError as error:
			raise BadSiteConfig(f"{self._path} is not valid JSON: {error}.") from None
		if not isinstance(values, dict):
			raise BadSiteConfig(f"{self._path} must contain a JSON object.")
		entries = values.get("standalone_users")
		if entries is None:
			return Settings(values, {self._administrator.name: self._administrator})
		if not isinstance(entries, dict) or not entries:
			raise BadSiteConfig(
				f"{self._path}: standalone_users must be an object with a name for each user."
			)
		users = {name: self._user(name, entry) for name, entry in entries.items()}
		for kind in ("api_key", "ai_key"):
			keys = [key for user in users.values() if (key := getattr(user, kind))]
			if len(set(keys)) < len(keys):
				raise BadSiteConfig(f"{self._path}: two of the standalone_users have the same {kind}.")
		return Settings(values, users)

	def _user(self, name: str, entry: Any) -> User:
		def wrong(what: str) -> BadSiteConfig:
			return BadSiteConfig(f"{self._path}: standalone_users, {name!r}: {what}.")

		if not name or name == "Guest":
			raise wrong("this cannot be the name of a user")
		if not isinstance(entry, dict):
			raise wrong("must be an object")
		if unknown := entry.keys() - {"password", "api_key", "api_secret", "ai_key", "roles", "user_type"}:
			raise wrong(f"there is no setting {', '.join(sorted(unknown))}")
		for key in ("password", "api_key", "api_secret", "ai_key"):
			if key in entry and (not isinstance(entry[key], str) or not entry[key]):
				raise wrong(f"{key} must be a string that is not empty")
		if ("api_key" in entry) != ("api_secret" in entry):
			raise wrong("api_key and api_secret go together")
		if "ai_key" in entry and not re.fullmatch(AI_KEY, entry["ai_key"]):
			raise wrong("ai_key must be aik- and 32 or more of A-Z a-z 0-9 _ -")
		roles = entry.get("roles", [])
		if not isinstance(roles, list) or not all(isinstance(role, str) for role in roles):
			raise wrong("roles must be a list of strings")
		if entry.get("user_type", "System User") not in ("System User", "Website User"):
			raise wrong("user_type must be System User or Website User")
		return User(name=name, **{**entry, "roles": tuple(roles)})
