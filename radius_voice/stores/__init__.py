"""Implementations of `login.ports.Store`: rows and limits."""
