"""What is attached is taken and refused as by cmd/juju/resource/deploy.go of juju/juju 2.9.31.

What each file becomes was read off that code with Go's encoding/json and Juju's yaml.v2.
"""

import contextlib
import pathlib

import pytest
import yaml

import charm_unit

BOTH = 'registrypath: a/b\nusername: u\npassword: p\n'


@pytest.fixture
def unit(charm):
    resources = {'web': {'type': 'oci-image'}, 'data': {'type': 'file', 'filename': 'd.bin'}}
    with charm_unit.Unit(charm(resources=resources), deploy=False) as unit:
        yield unit


@pytest.fixture
def attach(unit, tmp_path, say):
    """A function that attaches a file of this text, and returns what a hook is given."""

    def run(text):
        file = tmp_path / 'details'
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        unit.attach('web', file)
        given = yaml.safe_load(say('cat $(resource-get web)', unit=unit).output)
        assert list(given) == ['registrypath', 'username', 'password']
        return tuple(given.values())

    return run


@pytest.mark.parametrize(
    ('text', 'username', 'password'),
    [
        (BOTH, 'u', 'p'),
        ('{registrypath: a/b, username: u, password: p}', 'u', 'p'),
        ('{"registrypath": "a/b", username: u, "password": p}', 'u', 'p'),
        ('{"ImageName": "a/b", "Username": "u", "PASSWORD": "p"}', 'u', 'p'),
        ('{"imagename": "a/b", "username": null, "other": [1]}', '', ''),
        ('x: &x {username: u, password: p}\nregistrypath: a/b\n<<: *x', 'u', 'p'),
        ('x: &x {password: p}\ny: &y {password: q}\nregistrypath: a/b\n<<: [*x, *y]', '', 'p'),
        ('username: z\n<<: {username: u}\nregistrypath: a/b\npassword: p', 'u', 'p'),
        ('<<: {username: u}\nusername: z\nregistrypath: a/b', 'z', ''),
        ('registrypath: a/b\nusername: 5\npassword: 0123', '5', '0123'),
        ('registrypath: a/b\nusername: ~\npassword: on', '', 'on'),
        ('registrypath: a/b\nusername:\npassword: 2001-01-01', '', '2001-01-01'),
        ('registrypath: a/b\npassword: !!binary cA==', '', 'p'),
        ('registrypath: c\nregistrypath: a/b', '', ''),
        ('registrypath: a/b\n---\nregistrypath: c', '', ''),
    ],
)
def test_json_and_then_yaml_is_read(attach, text, username, password):
    assert attach(text) == ('a/b', username, password)


@pytest.mark.parametrize(
    ('text', 'reason'),
    [
        ('{"ImageName": "a/b",}', 'docker image path "" not valid'),
        ('{"ImageName": "a/b"} x', 'docker image path "" not valid'),
        ('{"ImageName": "a/b"', 'json parsing: unexpected end of JSON input'),
        ('{"ImageName": "a/b" "c"}', 'json parsing: .*line 1 column 21.*'),
        ('{"ImageName": "a/b", "username": ["u"]}', 'json parsing: .*array into .*username.*'),
        ('{"ImageName": "a/b", "username": 5}', 'json parsing: .*number into .*username.*'),
        ('{"registrypath": "a/b"}', 'docker image path "" not valid'),
        ('{"ImageName": "https://a/b"}', 'docker image path "https://a/b" not valid'),
        ('{"ImageName": "a/b", "auth": {"value": "x"}}', 'json parsing: .*object into .*auth.*'),
        ('{"ImageName": "a/b", "Email": 5}', 'json parsing: .*number into .*Email.*'),
        (
            'registrypath: a/b\nauth: eDp5',
            'yaml: .*line 2: cannot unmarshal !!str into docker.Token',
        ),
        ('registrypath: a/b\nregion: [x]', 'yaml: .*line 2: cannot unmarshal !!seq into string'),
        ('registrypath: A/b', 'docker image path "A/b" not valid'),
        ('registrypath: [a]', 'yaml: unmarshal errors: line 1: cannot unmarshal !!seq .*'),
        ('- a', 'yaml: unmarshal errors: line 1: cannot unmarshal !!seq .*'),
        ('a/b', 'yaml: unmarshal errors: line 1: cannot unmarshal !!str .*'),
        ('registrypath: a\nusername: "x', 'yaml: line 2: .*'),
        ('<<: 5', 'yaml: map merge requires .*'),
        ('x: &x\n  <<: *x', 'yaml: .*|docker image path "" not valid'),
        ('', 'docker image path "" not valid'),
        ('null', 'docker image path "" not valid'),
        (b'\x1f\x8b\x08\x00', 'expected json or yaml file containing oci-image registry details'),
    ],
)
def test_what_juju_refuses_is_refused_in_its_words(attach, text, reason):
    with pytest.raises(charm_unit.UsageError, match=f'(?s)^resource web: (?:{reason})$'):
        attach(text)


AUTH = 'eDp5'


@pytest.mark.parametrize(
    'text',
    [
        f'{{"ImageName": "a/b", "auth": "{AUTH}", "Email": null, "serveraddress": "x"}}',
        f'registrypath: a/b\nauth: {{value: {AUTH}}}\nregistrytoken: ~\nemail: 5\nother: [x]',
    ],
)
def test_other_details_are_known_and_not_kept(attach, text):
    """docker/auth.go, and state/docker_resource.go: three columns"""
    assert attach(text) == ('a/b', '', '')


@pytest.mark.parametrize(
    ('juju', 'auth', 'taken'),
    [
        ('2.9.12', '[x]', True),
        ('2.9.13', '[x]', False),
        ('2.9.13', AUTH, True),
        ('2.9.16', AUTH, False),
    ],
)
def test_other_details_are_read_as_by_that_juju(charm, tmp_path, juju, auth, taken):
    """docker/auth.go of juju/juju 2.9.13 and 2.9.16"""
    (tmp_path / 'details').write_text(f'registrypath: a/b\nauth: {auth}\n')
    with charm_unit.Unit(charm(), deploy=False, juju=juju) as unit:
        refused = contextlib.nullcontext() if taken else pytest.raises(charm_unit.UsageError)
        with refused:
            unit.attach('web', tmp_path / 'details')


@pytest.mark.parametrize(
    'reference',
    ['nginx', 'a/b:1', 'localhost:5000/b', 'x.y/b@sha256:' + 'a' * 64, 'a/' * 20 + 'b', 'A.b/c'],
)
def test_a_reference_is_taken(unit, reference):
    unit.attach('web', reference)
    assert unit.image() is None  # nothing is deployed


@pytest.mark.parametrize(
    'reference',
    ['Nginx', 'https://a/b', 'a//b', 'a/b:', 'a/b@sha256:12', 'a' * 256, 'f' * 64, '[::1]/b', ''],
)
def test_what_is_no_reference_is_refused(unit, reference):
    with pytest.raises(charm_unit.UsageError, match='filepath or registry path: .* not valid'):
        unit.attach('web', reference)


def test_what_is_no_reference_is_refused_in_a_deployment_and_an_upgrade(charm, unit):
    with pytest.raises(charm_unit.UsageError, match='filepath or registry path: A not valid'):
        charm_unit.Unit(charm(folder='b'), resources={'web': 'A'})
    with pytest.raises(charm_unit.UsageError, match='filepath or registry path: A not valid'):
        unit.upgrade(images={'web': 'A'})


def test_an_ipv6_registry_is_known_to_newer_jujus(charm):
    with charm_unit.Unit(charm(), juju='3.6', deploy=False) as unit:
        unit.attach('web', '[::1]:5000/b')


@pytest.mark.parametrize('kind', [str, pathlib.Path])
def test_a_path_is_attached_to_a_resource_of_type_file(unit, say, tmp_path, kind):
    (tmp_path / 'site.tar').write_bytes(b'content')
    path = kind(tmp_path / 'site.tar')
    for attach in (
        lambda: unit.attach('data', path),
        lambda: unit.upgrade(images={'data': path}),
    ):
        attach()
        assert say('cat $(resource-get data)', unit=unit).output == 'content'


def test_a_path_is_what_is_given_at_first(charm, tmp_path, say):
    (tmp_path / 'site.tar').write_bytes(b'content')
    built = charm(resources={'data': {'type': 'file', 'filename': 'd.bin'}})
    path = f'{tmp_path}/site.tar'
    with charm_unit.Unit(built, resources={'data': path}, deploy=False) as unit:
        assert say('cat $(resource-get data)', unit=unit).output == 'content'


def test_bytes_are_delivered_as_they_are(unit, say):
    unit.attach('data', b'content')
    assert say('cat $(resource-get data)', unit=unit).output == 'content'


def test_a_file_that_does_not_exist_is_refused(unit):
    with pytest.raises(charm_unit.UsageError, match=r'data is of type file, and \./no is not'):
        unit.attach('data', './no')
