"""Frappe's exceptions that this app or this site raises, with the HTTP status each of them carries.

The names and statuses are those of frappe/exceptions.py. One without a status answers 500.
"""


class ValidationError(Exception):
	"""The request cannot be carried out as it stands."""

	http_status_code = 417


class FrappeTypeError(TypeError):
	"""An argument of a whitelisted method is not of its annotated type."""

	http_status_code = 417


class AuthenticationError(Exception):
	"""Wrong credentials."""

	http_status_code = 401


class PermissionError(Exception):
	"""Not for this user, or not with this HTTP method."""

	http_status_code = 403


class DoesNotExistError(ValidationError):
	"""There is no such thing."""

	http_status_code = 404


class AppNotInstalledError(ValidationError):
	"""A method of an app that this site does not have."""


class CSRFTokenError(Exception):
	"""The session has a token and the request does not carry it."""

	http_status_code = 400


class InvalidAuthorizationToken(CSRFTokenError):
	"""A Basic token that is not base64."""


class SecurityException(Exception):
	"""Too many failed logins."""


class Redirect(Exception):
	"""A page that sends elsewhere: to `frappe.local.flags.redirect_location`."""

	def __init__(self, http_status_code: int = 301) -> None:
		self.http_status_code = http_status_code


EXCEPTIONS: tuple[type[Exception], ...] = (
	ValidationError,
	FrappeTypeError,
	AuthenticationError,
	PermissionError,
	DoesNotExistError,
	AppNotInstalledError,
	CSRFTokenError,
	InvalidAuthorizationToken,
	SecurityException,
	Redirect,
)

for _exception in EXCEPTIONS:
	# An error body names the class by its full path: clients see the same on both sites.
	_exception.__module__ = "frappe.exceptions"
