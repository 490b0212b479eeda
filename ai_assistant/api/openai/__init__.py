"""OpenAI's Chat Completions and Responses APIs.

- `chat_completions` and `responses` are the dialects: they parse a request and write the whole answer.
- `response_input`, `response_object` and `response_stream` are the parts of `responses`.
- `stored_responses` serves the other paths under `/responses`. `input_items` lists a stored input.
- `errors` has the form and the HTTP status of each error.
"""
