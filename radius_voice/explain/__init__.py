"""Explains logins to an administrator: a past one from the audit log, or what would happen at the next one."""
