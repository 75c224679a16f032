"""Bringing a code to a phone: one file a provider, imported when it is configured."""
