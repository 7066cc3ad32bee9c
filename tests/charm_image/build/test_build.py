"""Bundles and Dockerfiles, without an engine."""

import io
import json
import os
import pathlib
import subprocess
import sys
import tarfile
import time

import docker
import pytest

import charm_image
from charm_image import resources
from charm_image._build import bases
from charm_image._oci import local_image
from support import loopback
from support.bundles import bundle_of, dockerfile_of, everything


def test_steps_join_neighbours_of_a_kind_and_leave_each_command_alone(tmp_path):
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


def test_context_of_the_same_input_has_the_same_bytes(tmp_path):
    script = (
        'import sys, pathlib, hashlib; sys.path.insert(0, sys.argv[1]); import test_build as t;'
        'b = t.charm_image.DockerBuilder(t.bundle_of(*t.everything(pathlib.Path(sys.argv[2]))),'
        ' env={"A": "b", "C": "d"}); print(hashlib.sha256(b.context()).hexdigest())'
    )
    digests = set()
    for seed in ('1', '2'):
        command = [sys.executable, '-c', script, str(pathlib.Path(__file__).parent), str(tmp_path)]
        environ = {**os.environ, 'PYTHONHASHSEED': seed, 'TZ': f'UTC{seed}'}
        environ['PYTHONPATH'] = str(pathlib.Path(__file__).parents[2])
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


def test_dockerfile_has_no_secret_which_only_files_of_the_context_have(tmp_path):
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


def test_dockerfile_splits_long_values_below_the_longest_line_that_parsers_take():
    value = '\\ # "x\' $' * 20_000
    written = dockerfile_of(
        resources.Execute(command=['true', value[:50_000]]), env={'A': value}, cmd=[value]
    )
    assert max(map(len, written.splitlines())) < 20_000


def test_a_script_too_long_for_a_shell_is_refused_with_its_line():
    with pytest.raises(charm_image.ResourceError, match='put large content into a File') as caught:
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


def test_build_without_an_engine_says_where_it_looked(monkeypatch):
    monkeypatch.setenv('DOCKER_HOST', 'unix:///nowhere/docker.sock')
    with pytest.raises(charm_image.BuildError, match='unix:///nowhere/docker.sock'):
        list(charm_image.DockerBuilder(bundle_of()).build())


def test_dockerfile_has_json_that_docker_reads_to_the_letter():
    written = dockerfile_of(cmd=['a"b', 'c\\d', 'e\nf', '<<EOF'])
    line = written.splitlines()[-1]
    assert json.loads(line.removeprefix('CMD ')) == ['a"b', 'c\\d', 'e\nf', '<<EOF']
    assert '<<' not in line


def test_export_waits_without_an_end_for_the_engine():
    def answer(exchange):
        time.sleep(0.5)
        exchange.reply(200, b'saved')

    with (
        loopback.serving(answer) as url,
        docker.APIClient(url, version='1.41', timeout=0.1) as client,
    ):
        assert b''.join(local_image.export(client, 'image', timeout=None)) == b'saved'
        assert client.timeout == 0.1


def test_pull_reports_once_what_each_layer_does():
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
        base = bases.Base(client, 'base:1', None)
        told = [str(each) for each in base.pull()]
        assert bases.user_of(base.name, base.config) == 'app'
    assert told == [
        'base:1: a Downloading',
        'base:1: b Downloading',
        'base:1: a Pull complete',
        'base:1: Status: done',
    ]
