"""Whether this process can do its work."""

import time

from ai_assistant import store
from ai_assistant.realtime import redis_health


def is_well() -> bool:
	"""Whether the database and Redis answer this process.

	A realtime server that is gone does not count: chats are answered whole without it, and it is gone for all web
	processes alike, so that a load balancer would take the last one away.
	"""
	try:
		store.current().unended(store.current().now())
	except Exception as error:
		store.current().reset_if_unreachable(error)
		return False
	return redis_health.redis_answers()
