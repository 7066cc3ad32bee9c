"""Build the OCI image of a Juju Kubernetes charm from Python, and upload it to Charmhub."""

from .builder import DockerBuilder
from .bundle import ResourceBundle
from .errors import BuildError, ResourceError, StepError

__all__ = ['BuildError', 'DockerBuilder', 'ResourceBundle', 'ResourceError', 'StepError']
