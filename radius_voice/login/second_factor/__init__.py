"""Whether a user needs the second factor, and logins that are remembered."""
