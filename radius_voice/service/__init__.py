"""The running service, in one process or several.

`service` starts, drains and stops it. `workers` forks several processes; `watcher` is the one that serves the metrics
and health of all. `reload` replaces the configuration. `housekeeping` is the repeated work, `identity_watch` a part
of it, and `tasks` runs it. `reporting` passes records to their readers.

`preflight` tries what a start needs. `user_warnings` and `verification_time` find users and password hashes that do not
fit the configuration.
"""
