"""Loads a configuration without a site."""

from typing import Any

import frappe

from ai_assistant.config import settings

PROVIDER = {"name": "p", "api": "openai", "api_key": "k", "default_model": "m"}


def load(conf: Any) -> settings.Settings:
	frappe.local.conf = {"ai_assistant": conf}
	try:
		return settings.load()
	finally:
		del frappe.local.conf
