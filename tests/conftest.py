"""Puts the stand-in for Frappe in place before anything of the app is imported, and keeps keys out of reach."""

import os

from ai_assistant.standalone import stand_in

for name in list(os.environ):
	# A test must not spend somebody's money.
	if name.endswith("_API_KEY"):
		del os.environ[name]

stand_in.install()
