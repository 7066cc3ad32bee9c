"""OCI image references, the contents of image resources, and registries. Knows no Juju."""
