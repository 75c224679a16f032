"""Octets and packets. Pure: no sockets, no clock, no logging, no asyncio."""
