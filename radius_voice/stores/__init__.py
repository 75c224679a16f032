"""Rows and limits, behind `login.ports.Store`."""
