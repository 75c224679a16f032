"""Shared by all providers with a Twilio account."""
