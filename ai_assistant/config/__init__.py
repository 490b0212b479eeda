"""The configuration of a site.

- `sections` declares every setting with its type, bounds and default.
- `forms` reads the settings of a bench from AI Assistant Settings and AI Provider.
- `settings` combines the forms with site_config.json, and sets aside what is wrong. `parsing` words the errors
  of pydantic.
- `provider` builds a provider, and `access` decides who may use it. `gunicorn` reads how the web server was
  started.

A new setting needs a field in `sections`, and a field of the same name in the DocType AI Assistant Settings.

Frappe imports `APP.config.desktop` of every app if it exists. This package has no such module.
"""
