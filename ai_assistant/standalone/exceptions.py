"""The exceptions of Frappe that this app or this site raises, with their HTTP statuses.

Names and statuses are those of frappe/exceptions.py. An exception without a status answers 500.
"""


class ValidationError(Exception):
	"""The request is not valid."""

	http_status_code = 417


class FrappeTypeError(TypeError):
	"""An argument of a whitelisted method has the wrong type."""

	http_status_code = 417


class AuthenticationError(Exception):
	"""Wrong credentials."""

	http_status_code = 401


class PermissionError(Exception):
	"""The user or the HTTP method is not allowed."""

	http_status_code = 403


class DoesNotExistError(ValidationError):
	"""The requested thing does not exist."""

	http_status_code = 404


class AppNotInstalledError(ValidationError):
	"""The method belongs to an app that this site does not have."""


class CSRFTokenError(Exception):
	"""The session has a CSRF token, and the request does not contain it."""

	http_status_code = 400


class InvalidAuthorizationToken(CSRFTokenError):
	"""A Basic token is not base64."""


class SecurityException(Exception):
	"""There were too many failed logins."""


class Redirect(Exception):
	"""The page redirects to `frappe.local.flags.redirect_location`."""

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
	# An error body contains the full path of the class, which must be the same on both sites.
	_exception.__module__ = "frappe.exceptions"
