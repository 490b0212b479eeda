"""Operating a site: checks, metrics, alerts, the job that runs every minute, and the worker for background chats.

- `doctor` has the checks of a site, and `health` the check for a load balancer.
- `metrics` writes the figures for Prometheus, and `alerts` notifies administrators. `scheduled` runs both.
- `canary` sends a test event through a real socket, as the user of `canary_user`.
- `worker` answers background chats. `personal_data` erases what is kept of a person.
"""
