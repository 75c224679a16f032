"""Delivers codes through the administrator's own gateway, by HTTP requests."""
