"""The RADIUS wire format. Pure: no sockets, no clock, no logging, no asyncio."""
