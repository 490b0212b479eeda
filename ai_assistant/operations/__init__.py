"""Operating a site: checks, metrics, alerts, the job of each minute, and the worker for background chats."""
