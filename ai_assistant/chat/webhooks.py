"""Sends a signed message to the addresses of the configuration when a request has ended.

Headers and signature are those of Standard Webhooks (https://www.standardwebhooks.com). The message is stored in the
transaction that ends the request, and a job sends it, so a request does not wait for an address, and no message is
lost. It may arrive twice. The message names the request and has its figures, but no text of a question or an answer.
"""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from typing import Any
from urllib.parse import urlsplit

from ai_assistant import store
from ai_assistant.config.settings import Webhook, load
from ai_assistant.config.webhook import signing_key
from ai_assistant.log import fails_quietly, fields, logger
from ai_assistant.realtime.event import OUTCOME

from . import jobs, reference

JOB = f"{__name__}.deliver"
RETRIES_S = (60, 5 * 60, 30 * 60, 2 * 3600, 6 * 3600, 24 * 3600)
"""The seconds from a failed attempt to the next. After the last one the message has failed."""
TIMEOUT_S = 10.0
BATCH = 100
SHOWN = ("request_id", "task_id", *OUTCOME, *reference.FIELDS)
"""The fields of the answer that the message has."""


def delivery_of(
	name: str, user: str, answer: dict[str, Any], addresses: Sequence[Webhook]
) -> Callable[[], None] | None:
	"""Returns what stores the messages about a request that ends, None without addresses.

	Args:
		name: the name of the request's row.
		user: the user of the request.
		answer: the answer object.
		addresses: the webhooks of the configuration.
	"""
	if not addresses:
		return None
	payload = _payload(name, user, answer)
	urls = [webhook.url for webhook in addresses]
	return lambda: store.current().add_deliveries(name, urls, payload)


def start() -> None:
	"""Enqueues the job that sends the messages. Without Redis the scheduler enqueues it a minute later."""
	jobs.enqueue(JOB, "short", JOB)


@fails_quietly
def deliver_later() -> None:
	"""Enqueues the job if messages are due. The scheduler calls it every minute."""
	current = store.current()
	now = current.now()
	if any(current.due_deliveries(webhook.url, now, 1) for webhook in load().webhooks):
		start()


@fails_quietly
def deliver() -> None:
	"""Sends the messages that are due. It is a job of Frappe's queue."""
	for webhook in load().webhooks:
		# An address that does not answer keeps the others waiting for one attempt and not for all its messages.
		while _deliver_to(webhook):
			pass


def _deliver_to(webhook: Webhook) -> bool:
	"""Sends up to BATCH messages to an address, until one fails. Returns whether there may be more to send."""
	with store.transaction() as current:
		due = current.due_deliveries(webhook.url, current.now(), BATCH)
	for delivery in due:
		retry_s = RETRIES_S[delivery.attempts] if delivery.attempts < len(RETRIES_S) else None
		with store.transaction() as current:
			taken = current.begin_delivery(delivery, current.now() + (retry_s or RETRIES_S[-1]))
		if not taken:
			continue
		error = _send(webhook, delivery)
		status = "waiting" if error and retry_s else "failed" if error else "delivered"
		with store.transaction() as current:
			current.end_delivery(delivery.name, status, error)
		if error:
			ids = fields(
				delivery=delivery.name, host=urlsplit(webhook.url).hostname, attempt=delivery.attempts + 1
			)
			logger().warning(f"[Webhook] ❌ {status}: {error} {ids}")
			return False
	return len(due) == BATCH


def _send(webhook: Webhook, delivery: store.Delivery) -> str | None:
	"""Sends a message. Returns why the address did not take it, None if it did."""
	# Here, because it takes 0.1 s, and a process that answers chats does not need it.
	import httpx

	timestamp = str(int(time.time()))
	headers = {
		"Content-Type": "application/json",
		"User-Agent": "ai_assistant",
		"webhook-id": delivery.name,
		"webhook-timestamp": timestamp,
		"webhook-signature": _signature(webhook.secret, delivery.name, timestamp, delivery.payload),
	}
	try:
		# The body of the answer is not read. A redirect would lead to an address that is not configured.
		with httpx.stream(
			"POST",
			webhook.url,
			content=delivery.payload.encode(),
			headers=headers,
			timeout=TIMEOUT_S,
			follow_redirects=False,
		) as response:
			return None if response.is_success else f"HTTP {response.status_code}"
	except (httpx.HTTPError, httpx.InvalidURL) as error:
		# The text of an error may contain the address, which may contain a token.
		return type(error).__name__


def _signature(secret: str, message_id: str, timestamp: str, payload: str) -> str:
	key = signing_key(secret)
	assert key, "the configuration has been checked"
	signed = f"{message_id}.{timestamp}.{payload}".encode()
	return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def _payload(name: str, user: str, answer: dict[str, Any]) -> str:
	data = {"name": name, "user": user, **{field: answer.get(field) for field in SHOWN}}
	if error := answer.get("error"):
		data["error"] = {field: error.get(field) for field in ("code", "message", "retryable")}
	message = {
		"type": f"request.{answer['status']}",
		"timestamp": datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
		"data": data,
	}
	return json.dumps(message, ensure_ascii=False)
