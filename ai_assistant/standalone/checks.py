"""What `ai-assistant doctor --site-config` checks: a configuration file, without a running site."""

from functools import partial
from pathlib import Path

from ai_assistant.operations.doctor.check import Check

# `local` belongs to the request, like frappe.local: the site writes to it.
from . import stand_in  # nosemgrep: frappe-monkey-patching-not-allowed
from .site_config import SiteConfig


def of_config(path: Path) -> list[Check]:
	"""The checks of a file and of its providers, which are asked from here.

	Raises:
		BadSiteConfig: The file cannot be used.
		RuntimeError: A Frappe is installed. Its bench has its own doctor.
	"""
	if not stand_in.install():
		raise RuntimeError("Frappe is installed here. Use its doctor: bench --site … ai-assistant doctor")
	from ai_assistant.config import settings
	from ai_assistant.operations.doctor import providers

	values = SiteConfig(path).current().values
	stand_in.local.conf = stand_in._dict(values)
	load = partial(settings.of, {}, values.get(settings.CONF_KEY))
	check, then = partial(providers.configuration, load), partial(providers.providers, load)
	return [Check("configuration", check, then=then)]
