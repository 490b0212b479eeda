"""Operating a site: checks, metrics, alerts, the job that runs every minute, and the worker for background chats."""
