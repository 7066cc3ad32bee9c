"""An image resource in a unit: its entry in metadata.yaml, resource-get, flags and memory."""
