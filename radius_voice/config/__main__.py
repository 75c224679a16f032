"""Prints the JSON Schema of the configuration: `python -m radius_voice.config > config/schema.json`."""

import json
import sys

from radius_voice.config.schema import json_schema

sys.stdout.write(json.dumps(json_schema(), indent=2) + "\n")
