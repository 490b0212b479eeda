"""The user that receives the canary's events. An API key logs it in; it has no password, no role and no Desk access."""

import secrets

import frappe
from frappe.utils.password import get_decrypted_password, set_encrypted_password

from ai_assistant.config.forms import know_encryption_key

from .doctor.check import CheckFailed

# Mail to the top-level domain `invalid` can never be delivered (RFC 2606).
USER = "canary@ai-assistant.invalid"


def create() -> None:
	"""Create the user if it is missing, and give it a new API secret. Safe to repeat."""
	if not frappe.db.exists("User", USER):
		user = frappe.new_doc(
			"User",
			email=USER,
			first_name="AI Assistant Canary",
			user_type="Website User",
			api_key=secrets.token_hex(8),
			send_welcome_email=0,
		)
		user.name = USER
		# `insert()` would also create a Contact, look up a Gravatar and run the hooks of other apps.
		user.db_insert()
	set_encrypted_password("User", USER, secrets.token_hex(16), "api_secret")


def token() -> str:
	"""Return the user's API key and secret, as "key:secret".

	Raises:
		CheckFailed: The user is missing or disabled, or the site cannot decrypt its secret.
	"""
	remedy = f"bench --site {frappe.local.site} migrate creates it with a new key."
	user = frappe.db.get_value("User", USER, ["api_key", "enabled"], as_dict=True)
	if not user:
		raise CheckFailed(f"the user {USER} is missing", remedy)
	if not user.enabled:
		raise CheckFailed(f"the user {USER} is disabled", "Enable it in Desk: User.")
	know_encryption_key()
	try:
		secret = get_decrypted_password("User", USER, "api_secret", raise_exception=False)
	except frappe.ValidationError:
		secret = None
	if not user.api_key or not secret:
		raise CheckFailed(f"the API key of the user {USER} cannot be read", remedy)
	return f"{user.api_key}:{secret}"
