"""What a site is configured to do. Frappe looks in here for a desktop of old, and finds none."""
