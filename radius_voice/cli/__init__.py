"""The command line: one module for each group of commands. `operations` and `explain` do the work."""
