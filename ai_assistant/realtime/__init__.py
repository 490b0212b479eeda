"""Turns chunks into events. It batches the chunks, and it numbers, stores, publishes and logs the events.

- `publisher` does it for one request. `batcher` gathers deltas, and `transcript` records the whole answer.
- `outbox` holds events while the store is unavailable, and `redis_health` limits the time of a publish.
- `event` has the names and the shape of events.
"""
