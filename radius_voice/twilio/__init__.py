"""What all providers with a Twilio account share."""
