"""Turns the configuration of another RADIUS server into one of radius-voice."""
