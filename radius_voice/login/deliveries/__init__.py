"""Values that the login and the providers share: requests to deliver a code, and their answers."""
