"""Sessions: how they are opened, how events change them, and the responses that follow."""
