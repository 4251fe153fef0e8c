"""What the hiring team sees, all of it behind a login."""
