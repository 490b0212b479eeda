"""One module for each provider API: what is asked becomes a request, and what is read becomes deltas."""
