"""Voice calls through Twilio."""
