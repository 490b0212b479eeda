import json

import frappe
from frappe import _
from frappe.model.document import Document

from ai_assistant.config import forms
from ai_assistant.config.parsing import Wrong, build
from ai_assistant.config.sections import PriceTiers
from ai_assistant.doctypes import is_number, refuse

MAX_PRICE = 1_000_000


class AIProviderModel(Document):
	"""A model that may be asked of a provider; a row of AI Provider, which checks it."""

	# begin: auto-generated types
	# This code is auto-generated. Do not modify anything in this block.

	from typing import TYPE_CHECKING

	if TYPE_CHECKING:
		from frappe.types import DF

		cache_read_price: DF.Data | None
		cache_write_1h_price: DF.Data | None
		cache_write_price: DF.Data | None
		context_window: DF.Int
		documents: DF.Literal["", "Yes", "No"]
		input_price: DF.Data | None
		max_output_tokens: DF.Int
		model: DF.Data
		output_price: DF.Data | None
		parent: DF.Data
		parentfield: DF.Data
		parenttype: DF.Data
		price_tiers: DF.JSON | None
		tools: DF.Literal["", "Yes", "No"]
		vision: DF.Literal["", "Yes", "No"]
	# end: auto-generated types

	def check_prices(self) -> None:
		"""Raises ValidationError if the prices are wrong. AI Provider calls it."""
		for field in forms.PRICES:
			self.set(field, str(self.get(field) if self.get(field) is not None else "").strip() or None)
		if bool(self.input_price) != bool(self.output_price):
			refuse(
				_("Allowed Models, row {0}: give both prices, or none for those of litellm's list."), self.idx
			)
		if not self.input_price and (self.price_tiers or any(self.get(field) for field in forms.PRICES)):
			refuse(
				_("Allowed Models, row {0}: the other prices need an input and an output price."), self.idx
			)
		if not all(is_number(self.get(field), MAX_PRICE) for field in forms.PRICES if self.get(field)):
			refuse(
				_(
					"Allowed Models, row {0}: a price is a number from 0 to {1}, in US dollars a million tokens."
				),
				self.idx,
				MAX_PRICE,
			)
		# A JSON column takes no empty string.
		self.price_tiers = self.price_tiers or None
		if self.price_tiers is None:
			return
		try:
			tiers = json.loads(self.price_tiers) if isinstance(self.price_tiers, str) else self.price_tiers
			build(PriceTiers, {"tiers": tiers}, _("Allowed Models, row {0}").format(self.idx))
		except Wrong as wrong:
			frappe.throw(str(wrong))
		except ValueError:
			refuse(_("Allowed Models, row {0}: Price Tiers accepts a JSON list."), self.idx)
		if not isinstance(self.price_tiers, str):
			self.price_tiers = json.dumps(tiers)
