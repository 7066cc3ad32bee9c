"""Bundles and Dockerfiles, without an engine."""

import inspect
import io
import json
import os
import pathlib
import subprocess
import sys
import tarfile
import time
import traceback

import docker
import pytest

import charm_image
from charm_image import _bases, _builders, resources
from services import loopback


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


def test_a_star_import_brings_the_resources_and_nothing_else():
    names = {}
    exec('from charm_image.resources import *', names)
    del names['__builtins__']
    assert set(names) == set(resources.__all__)
    assert {'File', 'Directory', 'Link', 'Line', 'Execute', 'Package', 'User', 'Group'} < set(
        names
    )
    assert all(issubclass(kind, resources.Resource) for kind in names.values())


@pytest.mark.parametrize('kind', ['Service', 'Mount', 'Checkout', 'Patch', 'Special'])
def test_what_makes_no_sense_in_an_image_says_so(kind):
    with pytest.raises(charm_image.ResourceError, match='image') as caught:
        getattr(resources, kind)(name='/x', anything='at all')
    assert kind in str(caught.value)


WRONG = [
    (lambda: resources.File(), "missing a required argument: 'name'"),
    (lambda: resources.File(name='/x', contnets=''), 'did you mean contents?'),
    (lambda: resources.File(name='x'), 'full path'),
    (lambda: resources.File(name='/a/../b'), 'without //, . or ..'),
    (lambda: resources.File(name='/'), 'below /'),
    (lambda: resources.File(name='/' + 'x' * 256), 'longer than any file system'),
    (lambda: resources.File(name='/x\0y'), 'NUL'),
    (lambda: resources.File(name='/\udcff'), 'not Unicode'),
    (lambda: resources.File(name=None), 'name is a str, not None'),
    (lambda: resources.File(name='/x', contents='', source='/etc/passwd'), 'not both'),
    (lambda: resources.File(name='/x', contents=5), 'str or bytes, not int'),
    (lambda: resources.File(name='/x', source='/no/such/file'), 'is no file here'),
    (lambda: resources.File(name='/x', source='/etc'), 'is no file here'),
    (lambda: resources.File(name='/x', mode=644), 'write 0o644'),
    (lambda: resources.File(name='/x', mode='888'), 'octal'),
    (lambda: resources.File(name='/x', mode=0o10000), 'octal'),
    (lambda: resources.File(name='/x', owner='a b'), 'no name for an account'),
    (lambda: resources.File(name='/x', owner='$USER'), 'no name for an account'),
    (lambda: resources.File(name='/x', owner=-1), 'number from 0'),
    (lambda: resources.File(name='/x', sensitive='no'), 'True or False'),
    (lambda: resources.File(name='/x', policy='melt'), 'its policies are apply, remove'),
    (lambda: resources.File(name='/x', policy='remove', contents='x'), 'makes no sense with'),
    (lambda: resources.File(name='/x', watches='/y'), 'list of ids'),
    (lambda: resources.Directory(name='/x', policy='remove', mode='755'), 'makes no sense with'),
    (lambda: resources.Link(name='/x'), 'to is missing'),
    (lambda: resources.Line(name='/x', match='a'), 'line is missing'),
    (lambda: resources.Line(name='/x', match='(', line=''), 'no regular expression'),
    (lambda: resources.Line(name='/x', match=r'a\b', line=''), 'POSIX has no way to say'),
    (lambda: resources.Line(name='/x', match='(?=a)', line=''), 'lookahead'),
    (lambda: resources.Line(name='/x', match=r'(a)\1', line=''), 'backreference'),
    (lambda: resources.Line(name='/x', match='a', line='a\n'), 'newline'),
    (lambda: resources.Execute(), 'one of them'),
    (lambda: resources.Execute(command='a', commands=['b']), 'one of them'),
    (lambda: resources.Execute(command='a "b'), 'No closing quotation'),
    (lambda: resources.Execute(command=''), 'empty'),
    (lambda: resources.Execute(command='-x'), 'names no program'),
    (lambda: resources.Execute(commands='a'), 'commands is a list'),
    (lambda: resources.Execute(command='a', env=['A=b']), 'env is a dict'),
    (lambda: resources.Execute(command='a', env={'A;B': 'c'}), 'no name for a variable'),
    (lambda: resources.Execute(command='a', env={'A': 5}), 'env A is a str, not int'),
    (lambda: resources.Execute(command='a', returncode=256), 'from 0 to 255'),
    (lambda: resources.Execute(command='a', umask='9'), 'octal'),
    (lambda: resources.Package(name=['a', 'b']), 'a Package of each'),
    (lambda: resources.Package(name='a b'), 'no name of a package'),
    (lambda: resources.Package(name='a-'), 'no name of a package'),
    (lambda: resources.Package(name='-y'), 'no name of a package'),
    (lambda: resources.Package(name='a', version='$(id)'), 'no version'),
    (lambda: resources.Package(name='a', backend='pip'), 'backend is one of'),
    (lambda: resources.User(name='a:b'), 'no name for an account'),
    (lambda: resources.User(name='a', fullname='b:c'), 'no colon'),
    (lambda: resources.User(name='a', password='x\ny'), 'no colon, newline'),
    (lambda: resources.User(name='a', gid=1, group='b'), 'not both'),
    (lambda: resources.User(name='a', password='x', disabled_login=True), 'one of password'),
    (lambda: resources.User(name='a', groups='b'), 'groups is a list of names, not str'),
    (lambda: resources.User(name='a', groups=None), 'groups is a list of names, not None'),
    (lambda: resources.File(name='/a', watches=5), 'watches is a list of ids, not int'),
    (lambda: resources.File(name='/a', policy=['remove']), 'there is no policy'),
    (lambda: resources.Group(name='a', gid='x'), 'number from 0'),
]


@pytest.mark.parametrize(('make', 'said'), WRONG, ids=[said for _, said in WRONG])
def test_a_wrong_argument_is_told_with_the_line_that_has_it(make, said):
    with pytest.raises(charm_image.ResourceError) as caught:
        make()
    assert said in str(caught.value)
    line = inspect.getsourcelines(make)[1]
    assert str(caught.value).startswith(f'{pathlib.Path(__file__).name}:{line}: ')


@pytest.mark.parametrize(
    ('options', 'said'),
    [
        ({'from_image': 'ubuntu AS x\nRUN id'}, 'not a valid image reference'),
        ({'from_image': '$BASE'}, 'not a valid image reference'),
        ({'from_image': ''}, 'not a valid image reference'),
        ({'tag': 'UPPER'}, 'not a valid image reference'),
        ({'tag': 'a:b:c'}, 'not a valid image reference'),
        ({'tag': f'a@sha256:{64 * "a"}'}, 'must not have a digest'),
        ({'env': ['A=b']}, 'env is a dict'),
        ({'env': {'A B': 'c'}}, 'no name for a variable'),
        ({'env': {'A': 'b\0'}}, 'NUL'),
        ({'env': {'A': 1}}, 'no str'),
        ({'volumes': '/data'}, 'volumes is a list'),
        ({'volumes': ['data']}, 'no full path'),
        ({'volumes': ['/data ']}, 'space at its end'),
        ({'ports': '80'}, 'ports is a list'),
        ({'ports': [0]}, 'not between'),
        ({'ports': ['90-80']}, 'not between'),
        ({'ports': ['80/http']}, 'as in 80'),
        ({'ports': [True]}, 'no str'),
        ({'cmd': 'run me'}, 'cmd is a list'),
        ({'cmd': ['run', 1]}, 'no str'),
        ({'labels': {'a=b': 'c'}}, 'without ='),
        ({'labels': {'org.opencontainers.image.authors': 'a'}, 'maintainer': 'b'}, 'one of them'),
        ({'platform': 'linux/amd64 x'}, 'linux/arm64'),
        ({'maintainer': 5}, 'no str'),
        ({'client': docker.DockerClient('tcp://localhost:1', version='1.41')}, 'give its .api'),
        ({'output': 5}, 'no str'),
        ({'output': '/'}, 'not the path of a file'),
        ({'output': '/absent/image.tar'}, 'a directory that is there'),
    ],
)
def test_a_wrong_setting_of_an_image_is_refused(options, said):
    with pytest.raises(charm_image.ResourceError) as caught:
        charm_image.DockerBuilder(bundle_of(), **options)
    assert said in str(caught.value)


def last_line_of(error):
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == __file__
    ]
    return frames[-1].line


def test_an_error_is_raised_at_the_yield_that_caused_it():
    def twice():
        yield resources.File(name='/a', contents='')
        yield resources.File(name='/a', contents='again')
        raise AssertionError('not reached')

    with pytest.raises(charm_image.ResourceError, match='in the bundle already') as caught:
        charm_image.ResourceBundle.from_iterator(twice())
    assert last_line_of(caught.value) == "yield resources.File(name='/a', contents='again')"


@pytest.mark.parametrize(
    ('wrong', 'said'),
    [
        ('a string', 'a bundle holds resources, not str'),
        (None, 'not NoneType'),
        (resources.File, 'not File'),
    ],
)
def test_what_is_no_resource_is_refused_where_it_was_yielded(wrong, said):
    def function():
        yield wrong

    with pytest.raises(charm_image.ResourceError, match=said) as caught:
        charm_image.ResourceBundle.from_iterator(function())
    assert last_line_of(caught.value) == 'yield wrong'
    line = inspect.getsourcelines(function)[1] + 1
    assert str(caught.value).startswith(f'{pathlib.Path(__file__).name}:{line}: ')


def test_an_error_behind_yield_from_has_the_line_of_the_inner_yield():
    def inner():
        yield 'wrong'

    def function():
        yield from inner()

    with pytest.raises(charm_image.ResourceError) as caught:
        charm_image.ResourceBundle.from_iterator(function())
    assert caught.value.location.endswith(f':{inspect.getsourcelines(inner)[1] + 1}')


def test_a_generator_may_go_on_after_an_error():
    def function():
        try:
            yield 'wrong'
        except charm_image.ResourceError:
            yield resources.File(name='/instead', contents='')
        yield resources.File(name='/after', contents='')

    bundle = charm_image.ResourceBundle.from_iterator(function())
    assert [resource.name for resource in bundle] == ['/instead', '/after']


def test_a_function_that_does_not_yield_is_told_so():
    with pytest.raises(charm_image.ResourceError, match='does the function yield?'):
        charm_image.ResourceBundle.from_iterator(None)


def test_what_watches_nothing_is_refused():
    bundle = bundle_of(resources.File(name='/a', contents=''))
    bundle.add(resources.Execute(command='a', watches=['File[/a]']))
    with pytest.raises(charm_image.ResourceError, match="watches '/b'"):
        bundle.add(resources.Execute(command='b', watches=['/b']))


def test_a_bundle_is_ordered_and_knows_its_resources_by_name():
    bundle = charm_image.ResourceBundle()
    made = bundle.create('File', name='/a', contents='')
    bundle.add(resources.Directory(name='/d'))
    assert [repr(each) for each in bundle] == ['File[/a]', 'Directory[/d]']
    assert bundle['File[/a]'] is bundle.get_resource_by_name('/a') is made
    assert len(bundle) == 2
    with pytest.raises(charm_image.ResourceError, match='no kind'):
        bundle.create('Files', name='/a')


def test_neighbours_of_a_kind_make_one_step_and_each_command_its_own(tmp_path):
    builder = charm_image.DockerBuilder(bundle_of(*everything(tmp_path)))
    assert builder.steps == [
        'Package[nginx], Package[curl]',
        'User[app]',
        'File[/etc/app]',
        'File[/etc/big]',
        'File[/etc/big], Line[/etc/app:^a]',
        'Execute[make install]',
        'Link[/link]',
    ]


def test_the_same_input_gives_the_same_bytes(tmp_path):
    script = (
        'import sys, pathlib, hashlib; sys.path.insert(0, sys.argv[1]); import test_build as t;'
        'b = t.charm_image.DockerBuilder(t.bundle_of(*t.everything(pathlib.Path(sys.argv[2]))),'
        ' env={"A": "b", "C": "d"}); print(hashlib.sha256(b.context()).hexdigest())'
    )
    digests = set()
    for seed in ('1', '2'):
        command = [sys.executable, '-c', script, str(pathlib.Path(__file__).parent), str(tmp_path)]
        environ = {**os.environ, 'PYTHONHASHSEED': seed, 'TZ': f'UTC{seed}'}
        environ['PYTHONPATH'] = str(pathlib.Path(__file__).parents[1])
        done = subprocess.run(command, env=environ, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        digests.add(done.stdout)
    assert len(digests) == 1


def test_a_context_has_nothing_of_this_machine(tmp_path):
    builder = charm_image.DockerBuilder(bundle_of(*everything(tmp_path)))
    with tarfile.open(fileobj=io.BytesIO(builder.context())) as tar:
        members = tar.getmembers()
    assert {(each.uid, each.gid, each.uname, each.gname, each.mtime) for each in members} == {
        (0, 0, '', '', 315532800)
    }
    assert [each.name for each in members][0] == 'Dockerfile'


def test_secrets_are_in_files_of_the_context_and_nowhere_else(tmp_path):
    builder = charm_image.DockerBuilder(bundle_of(*everything(tmp_path)))
    assert 's3cret' not in builder.dockerfile
    assert 's3cret' not in ' '.join(builder.steps)
    builder.write_context(tmp_path / 'kept')
    holding = [
        path
        for path in (tmp_path / 'kept').rglob('*')
        if path.is_file() and b's3cret' in path.read_bytes()
    ]
    assert len(holding) == 3
    staged = [path for path in holding if 'stage' in path.parts]
    assert [path.stat().st_mode & 0o777 for path in staged] == [0o600] * 2


def test_a_context_is_not_written_over_what_is_there(tmp_path):
    (tmp_path / 'mine').write_text('')
    with pytest.raises(charm_image.BuildError, match='is not empty'):
        charm_image.DockerBuilder(bundle_of()).write_context(tmp_path)


def test_the_dockerfile_can_be_read():
    written = dockerfile_of(
        resources.File(name='/index.html', contents='HELLO WORLD!'),
        resources.Execute(command='make "all of it"', cwd='/srv'),
        from_image='debian:12',
        env={'NAME': 'a "b" $c'},
        volumes=['/data'],
        ports=[80, '53/udp'],
        cmd=['serve', '$it'],
        maintainer='Ada',
    )
    assert (
        written
        == r"""# Made by charm_image from resources in Python.

FROM debian:12
ENV NAME="a \"b\" \$c"

# File[/index.html]
COPY files/c531291e0b9f-index-html/ /

# Execute[make "all of it"]
RUN ["/bin/sh", "-euc", "\
umask 0022\n\
(umask 0022; cd /srv && exec make 'all of it')\n\
"]

LABEL "org.opencontainers.image.authors"="Ada"
VOLUME ["/data"]
EXPOSE 80 53/udp
CMD ["serve", "$it"]
"""
    )


def test_long_values_stay_below_the_longest_line_that_parsers_take():
    value = '\\ # "x\' $' * 20_000
    written = dockerfile_of(
        resources.Execute(command=['true', value[:50_000]]), env={'A': value}, cmd=[value]
    )
    assert max(map(len, written.splitlines())) < 20_000


def test_a_script_too_long_for_a_shell_is_refused_with_its_line():
    with pytest.raises(charm_image.ResourceError, match='put what is large into a File') as caught:
        dockerfile_of(resources.Execute(name='long', command=['true', 'x' * 200_000]))
    assert str(caught.value).startswith('test_build.py:')


def test_a_dry_run_shows_the_dockerfile_and_the_steps_and_needs_no_engine(monkeypatch):
    monkeypatch.setenv('DOCKER_HOST', 'unix:///nowhere')
    builder = charm_image.DockerBuilder(
        bundle_of(resources.File(name='/a', contents='')), dry_run=True
    )
    shown = '\n'.join(map(str, builder.build()))
    assert builder.dockerfile in shown
    assert '[1/1] File[/a]' in shown
    assert builder.image_id == ''


def test_without_an_engine_it_says_where_it_looked(monkeypatch):
    monkeypatch.setenv('DOCKER_HOST', 'unix:///nowhere/docker.sock')
    with pytest.raises(charm_image.BuildError, match='unix:///nowhere/docker.sock'):
        list(charm_image.DockerBuilder(bundle_of()).build())


def test_json_in_the_dockerfile_is_what_docker_reads():
    written = dockerfile_of(cmd=['a"b', 'c\\d', 'e\nf', '<<EOF'])
    line = written.splitlines()[-1]
    assert json.loads(line.removeprefix('CMD ')) == ['a"b', 'c\\d', 'e\nf', '<<EOF']
    assert '<<' not in line


def test_an_engine_may_take_its_time_for_an_export():
    def answer(exchange):
        time.sleep(0.5)
        exchange.reply(200, b'saved')

    with (
        loopback.serving(answer) as url,
        docker.APIClient(url, version='1.41', timeout=0.1) as client,
    ):
        assert b''.join(_builders.Engine(client).export('image')) == b'saved'
        assert client.timeout == 0.1


def test_each_layer_that_is_pulled_tells_once_what_it_does():
    pulled = []

    def answer(exchange):
        if exchange.command == 'GET' and pulled:
            exchange.reply(200, b'{"Config": {"User": "app"}}')
        elif exchange.command == 'GET':
            exchange.reply(404, b'{"message": "No such image"}')
        else:
            pulled.append(exchange.path)
            lines = [{'id': layer, 'status': 'Downloading'} for layer in 'abab']
            lines += [{'id': 'a', 'status': 'Pull complete'}, {'status': 'Status: done'}]
            text = '\n'.join(map(json.dumps, lines)).encode()
            chunked = b'%x\r\n%b\r\n0\r\n\r\n' % (len(text), text)
            exchange.reply(200, chunked, Transfer_Encoding='chunked')

    with loopback.serving(answer) as url, docker.APIClient(url, version='1.41') as client:
        base = _bases.Base(client, 'base:1', None)
        told = list(base.pull())
        assert base.user == 'app'
    assert told == [
        'base:1: a Downloading',
        'base:1: b Downloading',
        'base:1: a Pull complete',
        'base:1: Status: done',
    ]
