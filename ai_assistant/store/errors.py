"""The errors of a store."""


class RequestExists(Exception):
	"""This user already has a request of this id."""


class LeaseLost(Exception):
	"""The request no longer belongs to this process: somebody else has ended it or taken it."""


class StoreUnavailable(Exception):
	"""The store cannot be reached for now. It is not known whether the last write was stored."""
