"""charm_image._upload.store: the review of an upload."""

import json

import pytest

from charm_image import _errors
from support.storing import FILE, create, send


def test_a_review_is_waited_for(hub, client, waits):
    hub.looks_until_reviewed = 4
    assert create(client) == 1
    assert waits == [0.2, 0.3, 0.5, 1]


def test_the_review_is_where_charmhub_says_it_is(hub, client):
    upload_id = send(client)
    where = f'/v1/charm/my-charm/revisions/review?upload-id={upload_id}&said=so'
    body = json.dumps({'status-url': where}).encode()
    hub.fail('POST', '/revisions$', after=True, status=200, body=body)
    client.create_revision(*FILE, upload_id, 'file', ['all'])
    client.wait('my-charm', upload_id, 10)
    assert hub.asked('GET', '/review') == [(where, 200)]


@pytest.mark.parametrize(
    'where', ['https://127.0.0.1:1/review', 'v1/charm/another/revisions/review', '', None, 7]
)
def test_a_review_is_looked_for_at_charmhub_wherever_it_is_said_to_be(hub, client, where):
    body = json.dumps({'status-url': where}).encode()
    hub.fail('POST', '/revisions$', after=True, status=200, body=body)
    upload_id = send(client)
    client.create_revision(*FILE, upload_id, 'file', ['all'])
    assert client.wait('my-charm', upload_id, 10) == 1
    assert hub.asked('GET', '/review') == [
        (f'/v1/charm/my-charm/revisions/review?upload-id={upload_id}', 200)
    ]


def _reviewed(**kwargs):
    review = {'errors': None, 'revision': None, 'status': 'approved', **kwargs}
    return {key.replace('_', '-'): value for key, value in review.items()}


def test_the_review_of_another_upload_is_not_taken_for_this_one(hub, client):
    upload_id = send(client)
    client.create_revision(*FILE, upload_id, 'file', ['all'])
    others = [
        _reviewed(upload_id='another', revision=77),
        _reviewed(upload_id='a-third', status='rejected'),
    ]
    for reviews in (others, [*others, _reviewed(upload_id=upload_id, revision=5)]):
        body = json.dumps({'revisions': reviews}).encode()
        hub.fail('GET', '/review', status=200, body=body)
    assert client.wait('my-charm', upload_id, 10) == 5
    assert len(hub.asked('GET', '/review')) == 2


def test_an_approved_review_is_waited_for_until_it_has_a_revision(hub, client, waits):
    upload_id = send(client)
    client.create_revision(*FILE, upload_id, 'file', ['all'])
    for revision in (None, None, 5):
        reviews = [_reviewed(upload_id=upload_id, revision=revision)]
        body = json.dumps({'revisions': reviews}).encode()
        hub.fail('GET', '/review', status=200, body=body)
    assert client.wait('my-charm', upload_id, 10) == 5
    assert waits == [0.2, 0.3]


def test_a_review_that_takes_too_long_is_reported_with_the_upload(hub, client):
    hub.looks_until_reviewed = 99
    upload_id = send(client)
    client.create_revision(*FILE, upload_id, 'file', ['all'])
    with pytest.raises(_errors.ReviewPendingError, match=upload_id):
        client.wait('my-charm', upload_id, 0)


def test_a_rejection_is_reported_with_its_reasons(hub, client):
    hub.review_errors = [{'code': 'too-big', 'message': 'It is too big'}, {'code': 'odd'}]
    with pytest.raises(_errors.RejectedError, match='too-big: It is too big; odd') as caught:
        create(client)
    assert caught.value.errors[0] == {'code': 'too-big', 'message': 'It is too big'}


@pytest.mark.parametrize('answer', [(404, b'{}'), (200, b'{"revisions": []}')])
def test_a_review_that_has_not_begun_yet_is_waited_for(hub, client, waits, answer):
    hub.fail('GET', '/review', status=answer[0], body=answer[1], times=2)
    assert create(client) == 1
    assert waits == [0.2, 0.3]


@pytest.mark.parametrize('body', [b'{"error-list": 7}', b'{"error-list": ["odd"]}', b'[]', b'7'])
def test_a_refusal_of_any_form_is_reported_with_its_status(hub, client, body):
    hub.fail('GET', '/whoami', status=400, body=body)
    with pytest.raises(_errors.StoreError, match='Charmhub rejected the request: 400 Bad Request'):
        client.whoami()


def test_an_upload_that_nobody_knows_is_not_waited_for(client, waits):
    with pytest.raises(_errors.NotFoundError, match='no-such-upload'):
        client.wait('my-charm', 'no-such-upload', 10)
    assert waits == []
