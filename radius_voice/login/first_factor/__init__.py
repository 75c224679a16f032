"""Verifies the password, and relays the challenges of an identity source."""
