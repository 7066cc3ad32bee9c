"""What an image, an archive, a registry, a charm, Charmhub, an engine or a caller says is shown.

It may come from somebody who wants to rule the terminal, or to invent lines of the output.
"""

import contextlib
import hashlib
import http.server
import io
import json
import re
import tarfile
import threading

import pytest

from charm_image._commands import (
    arguments,
    charm_arguments,
    charm_command,
    resource_command,
    revisions_arguments,
    revisions_command,
)
from container_image import http_client
from support import layouts

pytestmark = pytest.mark.holds('uploads')

INVENTED = "Revision 9 created of resource 'my-image' for charm 'my-charm'"
EVIL = (
    f'evil\x1b]0;owned\x07\x1b[2J\x9b31m\u202e\u2066\x00\x7f\r\n{INVENTED}\u2028\ud800'
    + 'x' * 30_000
)
PARSERS = {
    resource_command: arguments,
    charm_command: charm_arguments,
    revisions_command: revisions_arguments,
}
#: What a header of HTTP can have.
EVIL_HEADER = 'evil\x1b]0;owned\x07\x1b[2J\x9b31m' + 'x' * 3_000
DIGEST = 'sha256:' + 64 * 'a'


@pytest.fixture
def shown(environment, tmp_path, monkeypatch, capsys):
    """Run a command, with text and with JSON; return all that it shows, which must be safe."""
    for name in ('DOCKER_CONTEXT', 'DOCKER_CONFIG', 'REGISTRY_AUTH_FILE', 'XDG_RUNTIME_DIR'):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)

    def run(*argv, program=resource_command, before=lambda: None):
        everything = ''
        for options in (argv, [*argv, '--format=json']):
            before()
            with contextlib.suppress(SystemExit):
                program.run(PARSERS[program].parse(options))
            captured = capsys.readouterr()
            for line in (captured.out + captured.err).split('\n'):
                assert line.isprintable(), repr(line)
                assert len(line) <= 1_500 or line.startswith('{')
                assert not line.startswith(INVENTED)
                line.encode()
            everything += captured.out + captured.err
        json.loads(captured.out or '{}')
        return everything

    return run


def a_file(tmp_path):
    (tmp_path / 'file').write_text('content')
    return '--filepath=file'


def plain_archive(tmp_path, files):
    """Write a tar with some files, whose content is JSON unless it is bytes."""
    path = tmp_path / 'image.tar'
    with tarfile.open(path, 'w', format=tarfile.PAX_FORMAT) as written:
        for name, content in files.items():
            data = content if isinstance(content, bytes) else json.dumps(content).encode()
            info = tarfile.TarInfo(name)
            info.size = len(data)
            written.addfile(info, io.BytesIO(data))
    return path


CONFIG = {'architecture': 'amd64', 'os': 'linux', 'rootfs': {'type': 'layers', 'diff_ids': []}}


@pytest.mark.parametrize(
    'config',
    [
        {**CONFIG, 'architecture': EVIL},
        {**CONFIG, 'os': EVIL},
        {**CONFIG, 'variant': EVIL, 'config': {'Labels': {EVIL: EVIL}, 'User': EVIL}},
        {**CONFIG, EVIL: EVIL, 'rootfs': {'type': EVIL, 'diff_ids': [EVIL]}},
    ],
)
def test_a_configuration_is_shown_printable(config, shown, tmp_path):
    entry = {'Config': 'config.json', 'RepoTags': [EVIL], 'Layers': []}
    path = plain_archive(tmp_path, {'config.json': config, 'manifest.json': [entry]})
    assert shown('my-charm', 'my-image', f'--image={path}')


@pytest.mark.parametrize(
    'files',
    [
        {'manifest.json': [{'Config': EVIL, 'RepoTags': None, 'Layers': []}]},
        {
            'a.json': CONFIG,
            'b.json': {**CONFIG, 'created': 'now'},
            'manifest.json': [
                {'Config': 'a.json', 'RepoTags': [f'a{EVIL}'], 'Layers': []},
                {'Config': 'b.json', 'RepoTags': [f'b{EVIL}'], 'Layers': []},
            ],
        },
        {'index.json': {'manifests': [{'digest': EVIL, 'mediaType': EVIL}]}},
        {'index.json': {'manifests': [{'digest': [EVIL]}]}, 'oci-layout': {EVIL: EVIL}},
        {'index.json': {'manifests': [{'digest': DIGEST, 'annotations': {EVIL: EVIL}}]}},
        {EVIL.replace('\0', '').replace('\ud800', ''): b'{"a": 1}', 'index.json': b'{'},
        {'index.json': b'\x1b]0;owned\x07'},
    ],
)
def test_an_archive_is_shown_printable(files, shown, tmp_path):
    path = plain_archive(tmp_path, files)
    assert 'evil' not in shown('my-charm', 'my-image', f'--image={path}').replace('evil\\', '')
    assert shown('my-charm', 'my-image', f'--image={path}:{EVIL[:200]}')


def test_a_truncated_archive_with_a_hostile_name_is_reported_printable(shown, tmp_path):
    path = plain_archive(tmp_path, {'evil\x1b[2J\n' + 200 * 'x': bytes(2_000)})
    path.write_bytes(path.read_bytes()[:2_600])
    assert 'the archive is truncated' in shown('my-charm', 'my-image', f'--image={path}')


@pytest.fixture
def registry():
    """A registry with `answers`: status, headers and body by what is found in method and path."""
    answers = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            status, headers, body = next(
                (answers[key] for key in answers if re.search(key, f'{self.command} {self.path}')),
                (404, {}, b'{}'),
            )
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header('Content-Length', str(len(body)))
            self.end_headers()
            self.wfile.write(body if self.command != 'HEAD' else b'')

        do_HEAD = do_POST = do_PUT = do_PATCH = do_GET

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler) as server:
        server.answers, server.host = answers, f'127.0.0.1:{server.server_address[1]}'
        thread = threading.Thread(target=server.serve_forever, kwargs={'poll_interval': 0.05})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


ERRORS = json.dumps({'errors': [{'code': EVIL, 'message': EVIL, 'detail': EVIL}]}).encode()
OF_IMAGE = {'Content-Type': 'application/vnd.oci.image.manifest.v1+json'}


@pytest.mark.parametrize(
    'answer',
    [
        (400, {}, ERRORS),
        (403, {'Content-Type': EVIL_HEADER}, ERRORS),
        (404, {}, ERRORS),
        (501, {}, ERRORS),
        (401, {'WWW-Authenticate': f'Bearer realm="http://{EVIL_HEADER}/"'}, b''),
        (401, {'WWW-Authenticate': f'{EVIL_HEADER} realm="x"'}, b''),
        (307, {'Location': f'https://{EVIL_HEADER}/'}, b''),
        (307, {'Location': f'/{EVIL_HEADER}'}, b''),
        (200, {'Docker-Content-Digest': EVIL_HEADER, 'Content-Type': EVIL_HEADER}, b'{}'),
        (200, OF_IMAGE, EVIL.encode(errors='replace')),
    ],
)
def test_an_answer_of_a_registry_is_shown_printable(answer, shown, registry):
    registry.answers['/manifests/'] = answer
    told = shown('my-charm', 'my-image', f'--from={registry.host}/evil/image@{DIGEST}')
    assert 'charm-upload-resource: ' in told
    assert shown('my-charm', 'my-image', f'--from={registry.host}/evil/image:tag')


@pytest.mark.parametrize(
    'manifest',
    [
        {'config': {'mediaType': EVIL, 'digest': DIGEST, 'size': 2}, 'layers': []},
        {'artifactType': EVIL, 'config': {'digest': DIGEST, 'size': 2}, 'layers': []},
        {'config': {'digest': EVIL, 'size': 2}, 'layers': [{'mediaType': EVIL, 'digest': EVIL}]},
        {'manifests': [{'digest': EVIL, 'platform': {'os': EVIL, 'architecture': EVIL}}]},
        {'mediaType': EVIL, 'schemaVersion': EVIL},
    ],
)
def test_a_manifest_in_a_registry_is_shown_printable(manifest, shown, registry):
    body = json.dumps(manifest).encode()
    digest = f'sha256:{hashlib.sha256(body).hexdigest()}'
    registry.answers['/manifests/'] = (200, OF_IMAGE, body)
    told = shown('my-charm', 'my-image', f'--from={registry.host}/evil/image@{digest}')
    assert 'charm-upload-resource: ' in told


def yaml_of(document):
    return json.dumps(document)  # which YAML reads too, escapes and all


@pytest.mark.parametrize(
    'metadata',
    [
        {'name': EVIL, 'resources': {'app': {'type': 'file'}}},
        {'name': 'my-charm', 'resources': {EVIL: {'type': 'file'}}},
        {'name': 'my-charm', 'resources': {EVIL: {'type': EVIL}}},
        {'name': 'my-charm', 'resources': {EVIL: EVIL}},
        {'name': 'my-charm', 'resources': {EVIL: {'type': 'oci-image', 'upstream-source': EVIL}}},
        {'name': 'my-charm', 'resources': EVIL},
        {'name': [EVIL], 'resources': {}},
    ],
)
def test_the_metadata_of_a_charm_is_shown_printable(metadata, shown, tmp_path):
    (tmp_path / 'metadata.yaml').write_text(yaml_of(metadata))
    told = shown('.', program=charm_command)
    assert 'charm-upload-resources' in told or 'left out' in told
    assert shown('.', f'--only={EVIL}', f'--filepath={EVIL}=file', program=charm_command)


def test_names_of_a_charm_are_quoted_for_a_shell_in_the_command_to_release_it(
    hub, shown, tmp_path
):
    names = ['a b', '$(reboot)', "it's", 'x;y', '-plain_1.2']
    hub.add('$HOME', dict.fromkeys(names, 'file'))
    resources = dict.fromkeys(names, {'type': 'file'})
    (tmp_path / 'metadata.yaml').write_text(yaml_of({'name': '$HOME', 'resources': resources}))
    a_file(tmp_path)
    told = shown('.', *(f'--filepath={name}=file' for name in names), program=charm_command)
    (command,) = (line for line in told.splitlines() if line.startswith('charmcraft release'))
    assert command == (
        "charmcraft release '$HOME' --revision=… --channel=… --resource='a b:1' "
        "--resource='$(reboot):1' --resource='it'\"'\"'s:1' --resource='x;y:1' "
        '--resource=-plain_1.2:1'
    )


@pytest.mark.parametrize(
    ('method', 'path', 'status', 'answer'),
    [
        ('GET', '/whoami', 400, {'error-list': [{'code': EVIL, 'message': EVIL}]}),
        ('GET', '/whoami', 403, {'error-list': [{'code': EVIL, 'message': EVIL}]}),
        ('GET', '/whoami', 200, {'account': {'username': EVIL}, 'packages': [{'name': EVIL}]}),
        ('GET', '/resources$', 404, {'error-list': [{'code': EVIL, 'message': EVIL}]}),
        ('GET', '/resources$', 200, {'resources': [{'name': EVIL, 'type': EVIL}]}),
        ('GET', '/resources$', 200, {'resources': [{'name': 'my-file', 'type': EVIL}]}),
        ('GET', '/resources$', 200, {'resources': [{'name': 'my-file', 'type': [EVIL]}]}),
        ('POST', '/unscanned-upload/', 200, {'successful': True, 'upload_id': EVIL}),
        ('POST', '/unscanned-upload/', 413, EVIL),
        ('POST', '/revisions$', 400, {'error-list': [{'code': EVIL, 'message': EVIL}]}),
        ('GET', '/review', 200, {'revisions': [{'status': EVIL, 'revision': EVIL}]}),
        ('GET', '/review', 200, {'revisions': [{'status': 'approved', 'revision': 1e999}]}),
        ('GET', '/revisions$', 200, {'revisions': [{'size': 1e999, 'sha256': EVIL}]}),
        (
            'GET',
            '/review',
            200,
            {'revisions': [{'status': 'rejected', 'errors': [{'code': EVIL, 'message': EVIL}]}]},
        ),
    ],
)
def test_an_answer_of_charmhub_is_shown_printable(
    method, path, status, answer, hub, shown, tmp_path, monkeypatch
):
    monkeypatch.setattr(http_client, 'DELAYS', ())
    body = json.dumps(answer).encode()

    def fail():
        hub.faults.clear()
        hub.fail(method, path, status=status, body=body, times=9)

    told = shown('my-charm', 'my-file', a_file(tmp_path), before=fail)
    assert 'charm-upload-resource: ' in told


@pytest.mark.parametrize('changes', [{}, {'created-at': [EVIL]}, {'bases': EVIL, 'size': None}])
def test_an_answer_about_revisions_is_shown_printable(changes, hub, shown):
    revision = {
        'revision': 1,
        'sha256': EVIL,
        'size': 7,
        'created-at': EVIL,
        'bases': [{'architectures': [EVIL]}],
    }
    body = json.dumps({'revisions': [{**revision, **changes}]}).encode()
    hub.fail('GET', '/revisions$', status=200, body=body, times=9)
    for resource in ('my-file', 'my-image'):
        assert shown('my-charm', resource, program=revisions_command)


def test_an_answer_of_an_engine_is_shown_printable(fake, shown, monkeypatch):
    image = layouts.Image((layouts.tar([('a', b'b')]),))
    for last in 'ab':
        identity = 'sha256:' + 63 * 'a' + last
        fake.add({**image.inspected, 'Id': identity, 'RepoTags': [EVIL], 'Architecture': EVIL})

    def use():
        monkeypatch.setenv('DOCKER_HOST', fake.host)

    several = shown('my-charm', 'my-image', '--image=aaaaaaaaaaaa', before=use)
    assert 'matches several images' in several
    foreign = shown('my-charm', 'my-image', f'--image={DIGEST}', before=use)
    assert r'evil\x1b]0;owned' in foreign
    fake.status, fake.reason = 500, EVIL
    assert r'evil\x1b]0;owned' in shown('my-charm', 'my-image', f'--image={DIGEST}', before=use)


@pytest.mark.parametrize(
    'argv',
    [
        [EVIL, 'my-file', '--filepath=file'],
        ['my-charm', EVIL, '--filepath=file'],
        ['my-charm', 'my-file', f'--filepath={EVIL}'],
        ['my-charm', 'my-file', f'--image={EVIL}'],
        ['my-charm', 'my-file', f'--from={EVIL}'],
        ['my-charm', 'my-file', f'--resume={EVIL}'],
        ['my-charm', 'my-file', '--filepath=file', f'--review-timeout={EVIL}'],
        ['my-charm', 'my-file', '--filepath=file', f'--arch={EVIL}'],
        ['my-charm', 'my-file', '--filepath=file', f'--{EVIL}'],
        ['my-charm', 'my-file', '--filepath=file', EVIL],
    ],
)
def test_arguments_are_shown_printable(argv, shown):
    assert 'charm-upload-resource: ' in shown(*argv)
