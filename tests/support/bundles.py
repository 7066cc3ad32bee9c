"""Bundles, and their Dockerfiles."""

import charm_image
from charm_image import resources


def bundle_of(*made):
    return charm_image.ResourceBundle.from_iterator(made)


def dockerfile_of(*made, **options):
    return charm_image.DockerBuilder(bundle_of(*made), **options).dockerfile


def everything(tmp_path):
    source = tmp_path / 'source'
    source.write_bytes(b'\0source')
    return [
        resources.Package(name='nginx'),
        resources.Package(name='curl', version='8.0-1'),
        resources.User(name='app', password='$6$s3cret'),
        resources.File(name='/etc/app', contents=b'\xff s3cret', sensitive=True),
        resources.File(name='/etc/big', source=source, owner='app', mode=0o4755),
        resources.Line(name='/etc/app', match='^a', line='s3cret', sensitive=True),
        resources.Execute(command='make install', watches=['/etc/app']),
        resources.Link(name='/link', to='/etc/app'),
    ]
