"""Runs one request: validates it, admits it, asks the gateway, and ends it.

- `request` validates the fields, with `messages` (also the number and size of images), `options`, `tools`
  and `reference`.
- `admission` refuses a request beyond a limit, and `budgets` one beyond a budget. `capacity` limits the
  threads of a process.
- `lifecycle` runs a request and renews its lease. `queue` has requests for workers, `termination` ends them
  from outside.
- `answer` builds the answer object. `errors` has the error codes and their HTTP status in `chat_completion`.
- `other_apps` calls the hooks of other apps before a request and after its end. `announcement` tells webhooks
  (`webhooks`), Frappe's doc events (`doc_events`) and hooks that a request has ended.
- `task_provider` keeps a task with one provider, and `continuations` restores reasoning that a client dropped.
- `long_poll`, `event_feed` and `journal` read what a request has stored; `ownership` finds the requests of a
  user.

`ai_assistant.api.responses.refusal_of` receives the app's own refusals of calls, and returns each as an error object.
`refusals` records them, and those of `ai_assistant.keys` and of Frappe, for the log and the metrics.
"""
