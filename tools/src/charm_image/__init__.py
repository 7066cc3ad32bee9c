"""Build the OCI image of a Juju Kubernetes charm from Python, and upload it to Charmhub."""
