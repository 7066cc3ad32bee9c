"""The proxies in docker's config.json reach the commands of a build, and nothing else does."""

import base64
import json
import secrets

import pytest

import charm_image
from charm_image import resources
from charm_image._build import api_builders, builder_reports, events, proxies

URL = 'http://me:s3cr%40t99@proxy.test:3128'
CONFIG = {
    'default': {'httpProxy': URL, 'httpsProxy': URL, 'noProxy': 'localhost,.test'},
    'unix:///other.sock': {'ftpProxy': 'http://ftp.test', 'allProxy': 'socks5://all.test'},
}


@pytest.fixture
def configured(tmp_path, monkeypatch):
    """Write docker's config.json with some `proxies`."""
    monkeypatch.setenv('DOCKER_CONFIG', str(tmp_path / 'docker'))

    def write(content):
        (tmp_path / 'docker').mkdir(exist_ok=True)
        (tmp_path / 'docker/config.json').write_text(content)
        return {'DOCKER_CONFIG': str(tmp_path / 'docker')}

    return write


def test_proxies_are_those_of_the_engine_or_the_default_in_both_spellings(configured):
    environ = configured(json.dumps({'proxies': CONFIG}))
    both = ('HTTP_PROXY', 'http_proxy', 'HTTPS_PROXY', 'https_proxy')
    default = {
        **dict.fromkeys(both, URL),
        **dict.fromkeys(('NO_PROXY', 'no_proxy'), 'localhost,.test'),
    }
    assert proxies.read('', environ) == proxies.read('tcp://x:1', environ) == default
    assert proxies.read('unix:///other.sock', environ) == {
        'FTP_PROXY': 'http://ftp.test',
        'ftp_proxy': 'http://ftp.test',
        'ALL_PROXY': 'socks5://all.test',
        'all_proxy': 'socks5://all.test',
    }


@pytest.mark.parametrize(
    'content',
    ['', '{', '[]', '{"proxies": 7}', '{"proxies": {"default": []}}', '[' * 100_000]
    + ['{"proxies": {"default": {"httpProxy": 7, "noProxy": ""}}}'],
)
def test_proxies_of_a_damaged_configuration_are_none_and_end_no_build(content, configured):
    assert proxies.read('', configured(content)) == {}


def test_proxies_are_none_without_a_configuration(tmp_path):
    assert proxies.read('', {'HOME': str(tmp_path)}) == {}


@pytest.mark.parametrize(
    'shown',
    [
        URL,
        'proxy me:s3cr@t99@proxy.test',
        's3cr@t99',
        'Proxy-Authorization: Basic ' + base64.b64encode(b'me:s3cr@t99').decode(),
        'buildargs=http%3A%2F%2Fme%3As3cr%2540t99%40proxy.test',
    ],
)
def test_credentials_of_proxies_are_masked_however_they_are_written(shown):
    masked = proxies.masked(shown, proxies.secrets({'http_proxy': URL}))
    assert '***' in masked
    assert all(part not in masked for part in ('s3cr', 't99', 'czNjc'))


@pytest.mark.parametrize('url', ['http://proxy.test', 'http://me@proxy.test', 'proxy.test:3128'])
def test_proxies_without_a_password_have_no_secrets(url):
    assert proxies.secrets({'http_proxy': url}) == []


def test_credentials_of_proxies_are_neither_in_the_output_of_a_build_nor_in_its_errors():
    follower = events.Follower([(None, 'FROM base')], {'http_proxy': URL})
    with pytest.raises(charm_image.BuildError, match='cannot reach http://\\*\\*\\*@proxy.test'):
        list(follower.follow(builder_reports.Event('failed', 0, f'cannot reach {URL}')))


def test_a_broken_connection_is_reported_without_the_build_arguments_in_its_url():
    text = 'Max retries exceeded with url: /v1.41/build?rm=1&buildargs=%7B%22x%22 (Caused by X)'
    assert api_builders._without_query(text) == (
        'Max retries exceeded with url: /v1.41/build (Caused by X)'
    )


def printed(made):
    return [each.text for each in made.progress if each.state == 'output']


@pytest.mark.engine
def test_proxies_reach_commands_and_stay_out_of_the_image_and_the_output(
    build, build_engine, configured
):
    configured(json.dumps({'proxies': CONFIG}))
    command = 'sh -c \'echo "$http_proxy" | tr a-z A-Z; echo "$HTTPS_PROXY $no_proxy"\''
    command += f' #{secrets.token_hex(4)}'  # in no cache yet
    made = build(resources.Execute(command=command))
    assert 'HTTP://ME:S3CR%40T99@PROXY.TEST:3128' in printed(made)
    assert 'http://***@proxy.test:3128 localhost,.test' in printed(made)
    image = build_engine.client.api.inspect_image(made.id)
    told = json.dumps([image, build_engine.client.api.history(made.id)]).replace(command, '')
    for word in ('s3cr', 'proxy.test', 'localhost,.test'):
        assert word not in told
    # nor does it matter to the cache which proxy it was
    configured(
        json.dumps({'proxies': {'default': {**CONFIG['default'], 'httpProxy': 'http://b'}}})
    )
    again = build(resources.Execute(command=command))
    assert (again.id, printed(again)) == (made.id, [])


@pytest.mark.engine
def test_an_image_that_the_engine_does_not_build_is_the_same_with_proxies(build, configured):
    made = build(resources.File(name='/greeting', contents='hello'))
    configured(json.dumps({'proxies': CONFIG}))
    assert build(resources.File(name='/greeting', contents='hello'), no_cache=True).id == made.id


@pytest.mark.engine
def test_proxies_of_one_engine_go_to_its_builds(dockerd, configured, monkeypatch):
    monkeypatch.setenv('DOCKER_HOST', dockerd.host)
    configured(json.dumps({'proxies': {dockerd.host: {'httpProxy': 'http://this'}, **CONFIG}}))
    made = charm_image.ResourceBundle.from_iterator(
        [resources.Execute(command='sh -c \'echo "$http_proxy$https_proxy"\'')]
    )
    builder = charm_image.DockerBuilder(made, from_image=dockerd.busybox, network='host')
    assert 'http://this' in [each.text for each in builder.build()]
