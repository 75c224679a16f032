"""Voice calls through Vonage."""
