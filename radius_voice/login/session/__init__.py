"""Sessions: how one is opened, how events change it, and what follows for the gateway."""
