"""Turns chunks into events: batches, numbers, stores, publishes and logs them."""
