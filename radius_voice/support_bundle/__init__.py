"""The support bundle: an archive without secrets that helps to find the cause of a problem."""
