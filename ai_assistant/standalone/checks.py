"""What `ai-assistant doctor --site-config` looks at: a configuration file, without a site that runs."""

from functools import partial
from pathlib import Path

from ai_assistant.operations.doctor.check import Check

from . import stand_in
from .site_config import SiteConfig


def of_config(path: Path) -> list[Check]:
	"""The file, and its providers, which are asked from here. Raises BadSiteConfig for a file that cannot be read,
	RuntimeError where a Frappe is installed, whose bench has a doctor of its own."""
	if not stand_in.install():
		raise RuntimeError("Frappe is installed here: ask its bench, bench --site … ai-assistant doctor")
	from ai_assistant.config import settings
	from ai_assistant.operations.doctor import providers

	values = SiteConfig(path).current().values
	stand_in.local.conf = stand_in._dict(values)
	load = partial(settings.of, {}, values.get(settings.CONF_KEY))
	look, then = partial(providers.configuration, load), partial(providers.providers, load)
	return [Check("configuration", look, then=then)]
