"""Creates objects from settings. Only this package creates adapters."""
