"""Passwords and people, behind `login.ports.FirstFactor` and `Directory`."""
