"""The health of this process, for a load balancer."""

from ai_assistant import store
from ai_assistant.realtime import redis_health


def is_healthy() -> bool:
	"""Whether the database and Redis answer this process.

	A missing realtime server does not count. Chats are answered without it, and it is missing for all web processes, so
	a load balancer would remove every one of them.
	"""
	try:
		store.current().unended(store.current().now())
	except Exception as error:
		store.current().reset_if_unreachable(error)
		return False
	return redis_health.redis_answers()
