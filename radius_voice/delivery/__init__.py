"""Telephony providers: one module each, imported when it is configured."""
