"""The same app without a bench: one process, one port, one SQLite file.

`server` puts it together, `site` answers HTTP as Frappe's web server does, `realtime_server` speaks
Socket.IO as Frappe's does, `sqlite` keeps the rows, and `stand_in` is what the app sees as `frappe`.
"""
