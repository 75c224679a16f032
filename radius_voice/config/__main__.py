"""Prints the JSON Schema of the configuration: `python -m radius_voice.config > config/schema.json`."""

import json
import sys

from radius_voice.config.schema import json_schema, settings_type
from radius_voice.wiring.adapters import ADAPTERS

sys.stdout.write(json.dumps(json_schema(settings_type(ADAPTERS.sections)), indent=2) + "\n")
