"""OCI image references, contents of image resources, and registries. Independent of Juju."""
