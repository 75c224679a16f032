"""Codes through a gateway of the administrator's own, by one HTTP request."""
