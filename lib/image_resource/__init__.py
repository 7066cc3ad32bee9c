"""An image resource as Juju has it: what metadata.yaml says of it, and the tool that gets it."""
