"""The life of one request: validate, admit, run, result."""
