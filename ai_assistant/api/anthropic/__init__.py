"""Anthropic's Messages API.

- `messages` is the dialect: it parses a request and writes the whole message. `message_input` reads its
  messages and tools.
- `message_object` has the stop reasons and the usage.
- `errors` has the HTTP status, the type and the message of each error.
- `message_stream` writes the events of a stream.
"""
