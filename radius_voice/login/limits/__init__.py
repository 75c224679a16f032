"""Limits on passwords, codes, calls and costs."""
