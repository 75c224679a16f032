"""Sockets that receive RADIUS packets."""
