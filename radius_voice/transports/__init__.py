"""Transports: they receive RADIUS packets, identify the client and pass both to the server."""
