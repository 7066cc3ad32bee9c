"""Looking up all images of a charm at the same time, within one limit."""

import collections
import subprocess
import sys
import threading

import pytest

from container_image import registry
from support import registry_case as case

Reference = collections.namedtuple('Reference', 'domain path tag digest')


def image(host, tag='1.0', digest='', username='', password=''):
    return Reference(host, 'team/app', tag, digest), username, password


def test_each_image_gets_its_own_answer():
    def answer(exchange):
        if exchange.path.endswith('/absent'):
            exchange.reply(404)
        elif exchange.path.endswith('/slow'):
            exchange.reply(503, Retry_After='99')
        else:
            case.wants_basic(exchange)

    account = {'username': case.USERNAME, 'password': case.PASSWORD}
    with case.registry_that(answer) as (host, _):
        answers = registry.look_up(
            {
                'good': image(host, **account),
                'absent': image(host, 'absent', **account),
                'slow': image(host, 'slow', **account),
                'private': image(host),
                'unknown': image('registry.invalid'),
                'refused': image(host, username=case.USERNAME, password='hunter2'),
            },
            limit=30,
        )
    assert answers.pop('good') == case.DIGEST
    kinds = {name: type(case.without_secrets(error)) for name, error in answers.items()}
    assert kinds == {
        'absent': registry.NotFoundError,
        'slow': registry.OverloadedError,
        'private': registry.AccessDeniedError,
        'unknown': registry.NotResolvedError,
        'refused': registry.BadCredentialsError,
    }


def test_no_images_need_no_answer():
    assert registry.look_up({}) == {}


@pytest.mark.parametrize(
    ('tag', 'digest', 'asked_for'),
    [('', '', 'latest'), ('1', '', '1'), ('1', case.DIGEST, case.DIGEST)],
)
def test_the_digest_goes_before_the_tag_and_the_tag_before_latest(tag, digest, asked_for):
    with case.registry_that(case.has) as (host, asked):
        assert registry.look_up({'it': image(host, tag, digest)}) == {'it': case.DIGEST}
    assert [path for _, path, _ in asked] == [f'/v2/team/app/manifests/{asked_for}']


def test_all_are_asked_at_the_same_time():
    together = threading.Barrier(10)

    def answer(exchange):
        together.wait(timeout=60)
        case.has(exchange)

    with case.registry_that(answer) as (host, _):
        images = {str(number): image(host) for number in range(10)}
        answers = registry.look_up(images, limit=60)
    assert answers == {str(number): case.DIGEST for number in range(10)}


def drip_status_line(exchange):
    exchange.endless(b'x', pause=0.05)


def drip_headers(exchange):
    exchange.wfile.write(b'HTTP/1.1 200 OK\r\nX: ')
    exchange.endless(b'x', pause=0.05)


def drip_body(exchange):
    head = 'HTTP/1.1 401 X\r\nContent-Length: 9999\r\n\r\n'
    if exchange.command == 'HEAD':
        head = f'HTTP/1.1 200 OK\r\nContent-Type: {case.TYPE}\r\n\r\n'
    exchange.wfile.write(head.encode())
    if exchange.command != 'HEAD':
        exchange.endless(b'x', pause=0.05)
    exchange.close_connection = True


def continue_for_ever(exchange):
    exchange.endless(b'HTTP/1.1 100 Continue\r\n\r\n', pause=0.01)


@pytest.mark.parametrize('answer', [drip_status_line, drip_headers, drip_body, continue_for_ever])
def test_a_registry_that_answers_slowly_without_end_is_left_at_the_limit(answer):
    # It goes on until the block is left, so what comes after the look-up proves that it returned.
    with case.registry_that(answer) as (host, _):
        answers = registry.look_up({'it': image(host)}, limit=0.5)
    assert type(case.without_secrets(answers['it'])) is registry.NotReachableError
    assert host in str(answers['it'])


def test_a_registry_that_is_left_does_not_take_the_others_answers_along():
    with case.registry_that(drip_headers) as (slow, _), case.registry_that(case.has) as (host, _):
        answers = registry.look_up({'slow': image(slow), 'good': image(host)}, limit=10)
    assert answers['good'] == case.DIGEST
    assert type(answers['slow']) is registry.NotReachableError


def test_a_dns_that_does_not_answer_is_left_at_the_limit(monkeypatch):
    released = threading.Event()
    monkeypatch.setattr('socket.getaddrinfo', lambda *args, **kwargs: released.wait())
    try:
        answers = registry.look_up({'it': image('registry.test')}, limit=0.2)
    finally:
        released.set()
    assert type(answers['it']) is registry.NotReachableError


def test_an_interpreter_ends_though_a_registry_does_not():
    script = """if True:
        import collections, sys
        from container_image import registry
        Reference = collections.namedtuple('Reference', 'domain path tag digest')
        print(registry.look_up({'it': (Reference(sys.argv[1], 'app', '', ''), '', '')}, limit=0.5))
    """
    with case.registry_that(drip_headers) as (host, _):
        done = subprocess.run(
            [sys.executable, '-c', script, host],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            universal_newlines=True,
            env={'PYTHONPATH': ':'.join(filter(None, sys.path))},
            timeout=60,
        )
    assert done.returncode == 0, done.stderr
    assert 'NotReachable' in done.stdout
    assert done.stderr == ''


def test_what_nobody_thought_of_is_an_answer_too_without_its_text(monkeypatch):
    def break_down(*args):
        raise LookupError(case.PASSWORD)

    monkeypatch.setattr(registry.Client, 'head_manifest', break_down)
    answers = registry.look_up({'it': image('registry.test', password=case.PASSWORD)})
    assert type(case.without_secrets(answers['it'])) is registry.ProtocolError


@pytest.mark.parametrize('limit', [0.1, 1, 30])
def test_a_client_has_less_time_than_there_is_so_that_it_can_say_what_is_wrong(limit, monkeypatch):
    given = []

    class Client(registry.Client):
        def __init__(self, *args, **kwargs):
            given.append(kwargs['limit'])
            super().__init__(*args, **kwargs)

    monkeypatch.setattr(registry, 'Client', Client)
    registry.look_up({'it': image('registry.invalid')}, limit=limit)
    assert limit / 2 <= given[0] < limit
