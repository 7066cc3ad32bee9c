"""charm-upload-resource --from, and what the tags that it refuses mean today."""

import json
import re
import subprocess
import sys

import pytest

from support import loopback, remote_images
from support import registry as registries
from support.charm_cases import AMD64, ARM64, sent
from support.remote_cases import ACCOUNT, log_in

ABSENT = 'sha256:' + 64 * 'a'


@pytest.fixture(scope='module')
def closed(tmp_path_factory):
    with registries.running(tmp_path_factory.mktemp('closed'), accounts=ACCOUNT) as running:
        yield running


@pytest.fixture
def stored():
    return remote_images.image(AMD64, ARM64, attested=True)


def test_an_image_of_another_registry_becomes_a_revision_as_it_is(
    hub, upload, there, stored, repository
):
    name = stored.push(there.host, repository)
    done = upload('my-charm', 'my-image', f'--from={name}')
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        f'Remote image not found, uploading from {there.host}/{repository}',
        f'Image uploaded, new remote digest: {stored.digest}',
        "Revision 1 created of resource 'my-image' for charm 'my-charm'",
    ]
    assert 'Architectures of the revision: amd64, arm64' in done.stderr
    (revision,) = hub.revisions('my-charm', 'my-image')
    assert json.loads(revision.content)['ImageName'].endswith(f'@{stored.digest}')
    assert revision.bases[0]['architectures'] == ['amd64', 'arm64']
    # the engines' own manifests, and nothing that this tool made of them
    put = [p.rpartition('/')[2] for p in hub.registry_proxy.paths('PUT', '/manifests/')]
    assert put == [remote_images.digest_of(content) for content, _ in stored.manifests]


def test_a_second_upload_does_not_ask_the_other_registry(
    hub, upload, proxy, there, stored, repository
):
    stored.push(there.host, repository)
    name = f'{proxy.host}/{repository}:1.0@{stored.digest}'
    first = upload('my-charm', 'my-image', f'--from={name}')
    assert first.returncode == 0, first.stderr
    hub.registry_proxy.forget()
    proxy.forget()
    done = upload('my-charm', 'my-image', f'--from={name}', '--format=json')
    assert done.returncode == 0, done.stderr
    assert "Using the OCI image from Canonical's registry" in done.stderr
    content = json.loads(done.stdout)
    assert (content['revision'], content['image-digest']) == (1, stored.digest)
    assert content['architectures'] == ['amd64', 'arm64']
    assert proxy.requests == []
    assert not any('/blobs/' in path or '/manifests/' in path for path in sent(hub))


def test_an_index_that_lost_a_manifest_is_copied_again(hub, upload, there, stored, repository):
    name = stored.push(there.host, repository)
    assert upload('my-charm', 'my-image', f'--from={name}').returncode == 0
    lost = remote_images.digest_of(stored.manifests[0][0])
    hub.registry_proxy.forget()
    hub.registry_proxy.answer('GET', f'/manifests/{lost}', 404)
    done = upload('my-charm', 'my-image', f'--from={name}')
    assert done.returncode == 0, done.stderr
    assert hub.registry_proxy.count('PUT', f'/manifests/{lost}')
    assert hub.registry_proxy.count('PATCH', '/blobs/') == 0


def test_a_login_of_docker_is_used_and_shown_nowhere(
    hub, upload, closed, stored, repository, tmp_path
):
    ((username, password),) = ACCOUNT.items()
    name = stored.push(closed.host, repository, username=username, password=password)
    done = upload('my-charm', 'my-image', f'--from={name}')
    assert done.returncode == 1
    assert 'needs credentials' in done.stderr
    assert sent(hub) == []
    log_in(tmp_path / '.docker/config.json', closed.host)
    done = upload('my-charm', 'my-image', f'--from={name}')
    assert done.returncode == 0, done.stderr
    assert password not in done.stdout + done.stderr


def test_a_login_that_cannot_be_used_is_reported_in_a_line(
    hub, upload, closed, stored, repository, tmp_path
):
    (tmp_path / '.docker').mkdir()
    (tmp_path / '.docker/config.json').write_text('{"credsStore": "nowhere"}')
    done = upload('my-charm', 'my-image', f'--from={closed.host}/x@{stored.digest}')
    assert done.returncode == 1
    assert 'docker-credential-nowhere' in done.stderr
    assert 'Traceback' not in done.stderr
    assert sent(hub) == []


def test_a_reference_of_no_image_is_refused_before_a_byte_is_sent(hub, upload, there, repository):
    name = remote_images.artifact().push(there.host, repository)
    done = upload('my-charm', 'my-image', f'--from={name}')
    assert done.returncode == 1
    assert 'is not an image but a different artifact' in done.stderr
    assert sent(hub) == []


def test_an_index_with_layers_that_registries_reject_is_refused_before_a_byte_is_sent(hub, upload):
    stored = remote_images.image(remote_images.platform('amd64', 'windows'), AMD64, ARM64)
    foreign = {
        'mediaType': 'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip',
        'size': 100,
        'digest': ABSENT,
        'urls': ['https://vendor.example/layer'],
    }
    windows, media_type = stored.manifests[0]
    content = json.loads(windows)
    content['layers'].insert(0, foreign)
    changed = json.dumps(content).encode()
    index, index_type = stored.manifests[-1]
    entry = json.loads(index)
    entry['manifests'][0] |= {'digest': remote_images.digest_of(changed), 'size': len(changed)}
    documents = {
        remote_images.digest_of(each): (each, kind)
        for each, kind in (
            *stored.manifests,
            (changed, media_type),
            (json.dumps(entry).encode(), index_type),
        )
    }

    def answer(exchange):
        digest = exchange.path.rpartition('/')[2]
        if digest in documents:
            exchange.reply(200, documents[digest][0], Content_Type=documents[digest][1])
        else:
            exchange.reply(200, stored.blobs[digest])

    with loopback.serving(answer) as url:
        name = f'{url.partition("//")[2]}/app@{[*documents][-1]}'
        done = upload('my-charm', 'my-image', f'--from={name}')
        assert done.returncode == 1
        assert sent(hub) == []
        assert 'the image for windows/amd64 has foreign layers' in done.stderr
        (typed,) = re.findall(r'--platform=\S+', done.stderr)
        assert typed == '--platform=linux/amd64,linux/arm64'
        done = upload('my-charm', 'my-image', f'--from={name}', typed)
    assert done.returncode == 0, done.stderr


def test_a_registry_that_is_not_there_is_reported(hub, upload):
    done = upload('my-charm', 'my-image', f'--from=127.0.0.1:1/app@{ABSENT}')
    assert done.returncode == 1
    assert '127.0.0.1:1 refused the connection' in done.stderr
    assert sent(hub) == []


def test_a_rate_limit_is_reported_while_it_is_waited_for(
    hub, upload, proxy, there, stored, repository
):
    stored.push(there.host, repository)
    proxy.answer('GET', '/manifests/', 429, Retry_After='1')
    done = upload('my-charm', 'my-image', f'--from={proxy.host}/{repository}@{stored.digest}')
    assert done.returncode == 0, done.stderr
    assert re.search(f'{proxy.host} is rate-limiting .*429.*retrying in 1 s', done.stderr)


# Tags


@pytest.mark.parametrize('option', ['--from', '--image'])
@pytest.mark.parametrize('tag', [':1.2', ''])
def test_a_tag_is_refused_with_what_it_means_today(
    option, tag, hub, upload, there, stored, repository
):
    name = stored.push(there.host, repository, tag=tag[1:] or 'latest')
    done = upload('my-charm', 'my-image', f'{option}={there.host}/{repository}{tag}')
    assert (done.returncode, done.stdout) == (2, '')
    assert 'can move to a different image' in done.stderr
    assert hub.requests == []
    # ready to be typed
    (typed,) = re.findall(r'--from=\S+sha256:[0-9a-f]{64}', done.stderr)
    assert typed == f'--from={name}'
    done = upload('my-charm', 'my-image', typed)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize('option', ['--from', '--image'])
def test_the_tag_of_a_closed_registry_is_looked_up_with_the_login(
    option, upload, closed, stored, repository, tmp_path
):
    ((username, password),) = ACCOUNT.items()
    stored.push(closed.host, repository, 'v1', username=username, password=password)
    refused = upload('my-charm', 'my-image', f'{option}={closed.host}/{repository}:v1')
    assert refused.returncode == 2
    assert 'its digest cannot be looked up: ' in refused.stderr
    assert 'needs credentials' in refused.stderr
    log_in(tmp_path / '.docker/config.json', closed.host)
    done = upload('my-charm', 'my-image', f'{option}={closed.host}/{repository}:v1')
    assert f'--from={closed.host}/{repository}@{stored.digest}' in done.stderr


@pytest.mark.parametrize('option', ['--from', '--image'])
@pytest.mark.parametrize(
    ('name', 'reason'),
    [
        ('{there}/absent:1', 'is not in the registry'),
        ('127.0.0.1:1/app:1', 'refused the connection'),
        ('nginx', 'registry-1.docker.io'),
    ],
)
def test_a_tag_that_cannot_be_looked_up_is_refused_with_the_reason(
    option, name, reason, hub, upload, there
):
    done = upload('my-charm', 'my-image', f'{option}={name.format(there=there.host)}')
    assert done.returncode == 2
    assert 'its digest cannot be looked up: ' in done.stderr
    assert reason in done.stderr
    assert hub.requests == []


def test_a_name_with_a_digest_that_no_engine_has_leads_to_from(
    hub, upload, there, stored, repository
):
    name = stored.push(there.host, repository)
    done = upload('my-charm', 'my-image', f'--image={name}')
    assert done.returncode == 1
    assert f'use --from={name}' in done.stderr
    done = upload('my-charm', 'my-image', f'--image=nginx:1@{ABSENT}')
    assert f'use --from=docker.io/library/nginx:1@{ABSENT}' in done.stderr
    done = upload('my-charm', 'my-image', f'--image={ABSENT}')
    assert f'--from=REGISTRY/NAME@{ABSENT}' in done.stderr


def test_a_name_with_a_digest_that_the_engine_has_is_taken_from_it(hub, upload, podman):
    image = podman.client.images.get(podman.busybox)
    name = image.attrs['RepoDigests'][0]
    done = upload('my-charm', 'my-image', f'--image={name}', DOCKER_HOST=podman.host)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith('Remote image not found, uploading from local')


@pytest.mark.parametrize(
    ('value', 'advice'),
    [
        (f'docker://docker.io/nginx@{ABSENT}', f'--from=docker.io/nginx@{ABSENT}'),
        (ABSENT, f'--from=REGISTRY/NAME@{ABSENT}'),
        ('nginx@sha256:123', 'only a digest may follow'),
        ('NGINX', 'lower case'),
        ('', 'it is blank'),
        ('nginx@sha512:' + 128 * 'a', 'begins with "sha256:"'),
        ('https://me:hunter2@registry.test/x', 'docker login'),
        ('me:hunter2@registry.test/x', 'docker login'),
    ],
)
def test_a_reference_that_is_not_valid_is_reported_with_what_to_give_instead(
    hub, upload, value, advice
):
    done = upload('my-charm', 'my-image', f'--from={value}')
    assert (done.returncode, done.stdout) == (2, '')
    assert advice in done.stderr
    assert 'hunter2' not in done.stderr
    assert hub.requests == []


def test_a_copy_needs_less_than_100_mb_of_memory_and_no_disk(
    hub, there, repository, environment, tmp_path
):
    layer = bytes(range(256)) * (160 << 10)  # 40 MiB
    stored = remote_images.image(
        remote_images.platform(layers=[bytes([n]) + layer for n in range(4)]),
        compress=lambda content: content,
    )
    name = stored.push(there.host, repository)
    # whoever writes files gets a signal, and so does who takes more than 1 kB of them
    code = (
        'import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024));'
        'from charm_image._commands import resource_command as command;'
        'status = command.main(sys.argv[1:]);'
        'print(open("/proc/self/status").read(), file=sys.stderr); sys.exit(status)'
    )
    done = subprocess.run(
        [sys.executable, '-B', '-c', code, 'my-charm', 'my-image', f'--from={name}'],
        env=environment,
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    (most,) = re.findall(r'VmHWM:\s+([0-9]+) kB', done.stderr)
    assert int(most) * 1024 < 100_000_000
