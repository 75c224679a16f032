"""Calls and text messages through Twilio Verify."""
