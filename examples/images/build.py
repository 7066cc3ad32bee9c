"""An image from a program: python3 build.py [FROM_IMAGE]."""

import sys

from charm_image import BuildError, DockerBuilder, ResourceBundle
from charm_image.resources import *


def main():
    b = ResourceBundle()
    b.add(Package(name='python3'))

    d = DockerBuilder(
        b,
        from_image=sys.argv[1] if sys.argv[1:] else 'ubuntu:24.04',
        tag='test-image',
    )
    for progress in d.build():
        print(progress)
    print(d.image_id)


if __name__ == '__main__':
    try:
        main()
    except BuildError as error:
        sys.exit(f'build.py: {error}')
