"""Settings -> objects. Nothing else creates adapters."""
