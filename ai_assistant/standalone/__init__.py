"""The same app without a bench: one process, one port, one SQLite file.

`server` starts it. `site` answers HTTP as Frappe's web server does, and `realtime_server` speaks Socket.IO as Frappe's
realtime server does. `sqlite` stores the rows, and `stand_in` is what the app imports as `frappe`.
"""
