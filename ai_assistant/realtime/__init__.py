"""From chunks to events: batched, numbered, stored, published and logged; and the client at the other end."""
