"""A unit, and what stands around it: Juju's agent and controller, hook tools, interpreters."""
