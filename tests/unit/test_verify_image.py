"""The option verify-image; the registry client has tests of its own."""

import itertools

import pytest
from charmhelpers.core import unitdata

from container_image import registry
from image_resource import reading
from support import contents_cases
from support.simulated import AVAILABLE, CHANGED, FAILED, IMAGE, OTHER_IMAGE, PRIVATE, SECRET


class TestVerifyImage:
    """With `verify-image: true`; the registry client has tests of its own."""

    DIGEST = contents_cases.DIGEST

    @pytest.fixture(autouse=True)
    def registries(self, unit, monkeypatch):
        unit.options['verify-image'] = True
        unit.attached['my-image'] = PRIVATE
        self.answer = self.DIGEST
        self.calls = []

        def look_up(images, limit, proxies):
            self.calls.append((dict(images), limit, proxies))
            return dict.fromkeys(images, self.answer)

        monkeypatch.setattr(registry, 'look_up', look_up)

    def test_a_confirmed_image_is_available_and_has_a_digest(self, unit):
        unit.hook('install')
        assert unit.flags() == AVAILABLE
        assert unit.library.get_info('my-image').digest == self.DIGEST
        [(images, limit, _)] = self.calls
        reference, username, password = images['my-image']
        assert (reference.domain, reference.path) == ('docker.io', 'a/b')
        assert (username, password) == ('me', SECRET)
        assert 29 < limit <= 30

    def test_the_digest_is_no_part_of_the_image_details(self, unit):
        unit.hook('install')
        assert set(unit.library.get_info('my-image').image_details) == {
            'imagePath',
            'username',
            'password',
        }

    def test_a_refused_image_failed(self, unit):
        self.answer = registry.NotFoundError('docker.io has no a/b')
        unit.hook('install')
        assert unit.flags() == FAILED
        assert unit.statuses[-1] == (
            'blocked',
            'my-image: docker.io has no a/b (juju attach-resource my-charm my-image=IMAGE)',
        )

    def test_a_registry_that_gives_no_answer_is_waited_for(self, unit):
        self.answer = registry.NotReachableError('docker.io is not there')
        for hook in ('install', 'update-status'):
            unit.hook(hook)
            assert unit.flags() == {'fetched'}
            assert unit.statuses[-1] == (
                'waiting',
                'my-image: docker.io is not there (will be retried in the next hook)',
            )
        self.answer = self.DIGEST
        unit.hook('update-status')
        assert unit.flags() == AVAILABLE

    def test_both_kinds_of_problems_reach_layer_status(self, unit):
        unit.metadata['resources']['empty'] = {'type': 'oci-image', 'auto-fetch': True}
        self.answer = registry.OverloadedError('docker.io is busy')
        unit.hook('install')
        assert [status for status, _ in unit.statuses[-2:]] == ['waiting', 'blocked']

    def test_an_image_that_was_confirmed_stays_available_while_its_registry_is_away(self, unit):
        unit.hook('install')
        self.answer = registry.NotReachableError('docker.io is not there')
        unit.hook('upgrade-charm')
        assert unit.flags() == AVAILABLE
        assert unit.library.get_info('my-image').digest == self.DIGEST
        assert unit.statuses == []

    def test_another_image_is_not_available_before_it_is_confirmed(self, unit):
        seen = unit.seen()
        unit.hook('install')
        unit.attached['my-image'] = OTHER_IMAGE
        self.answer = registry.NotReachableError('docker.io is not there')
        unit.hook('upgrade-charm')
        assert unit.flags() == {'fetched'}
        self.answer = self.DIGEST
        unit.hook('update-status')
        assert seen == [AVAILABLE, {'fetched'}, CHANGED]

    def test_a_tag_that_means_another_image_now_is_news(self, unit):
        seen = unit.seen()
        unit.hook('install')
        self.answer = self.DIGEST[:-1] + '0'
        unit.hook('upgrade-charm')
        assert seen == [AVAILABLE, CHANGED]

    @pytest.mark.parametrize('moved', [True, False])
    def test_turning_the_option_on_is_no_change_but_a_tag_that_moves_then_is(self, unit, moved):
        unit.options['verify-image'] = False
        unit.during(lambda: unit.library.get_info('my-image'))
        unit.hook('install')
        assert not self.calls
        unit.options['verify-image'] = True
        seen = unit.seen(take=False)
        unit.hook('upgrade-charm')
        stored = unitdata.kv().get('layer.docker-resource.my-image.image-info')
        assert stored['digest'] == self.DIGEST
        self.answer = self.DIGEST[:-1] + '0' if moved else self.DIGEST
        unit.hook('upgrade-charm')
        assert seen == [AVAILABLE, CHANGED if moved else AVAILABLE]

    def test_what_was_never_confirmed_is_not_available_while_its_registry_is_away(self, unit):
        unit.options['verify-image'] = False
        unit.hook('install')
        unit.options['verify-image'] = True
        self.answer = registry.NotReachableError('docker.io is not there')
        for hook in ('upgrade-charm', 'update-status'):
            unit.hook(hook)
            assert unit.flags() == {'fetched'}
        assert unit.statuses[-1][0] == 'waiting'

    @pytest.mark.parametrize('hook', ['upgrade-charm', 'config-changed', 'update-status'])
    def test_what_was_refused_stays_so_while_its_registry_is_away(self, unit, hook):
        unit.hook('install')
        self.answer = registry.NotFoundError('docker.io has no a/b')
        unit.hook('upgrade-charm')
        assert unit.flags() == FAILED
        self.answer = registry.NotReachableError('docker.io is not there')
        for _ in range(2):
            unit.hook(hook)
            assert unit.flags() == FAILED
            assert unit.statuses[-1][0] == 'blocked'
            assert 'docker.io has no a/b' in unit.statuses[-1][1]
        self.answer = self.DIGEST
        unit.hook('update-status')
        assert unit.flags() == AVAILABLE
        self.answer = registry.NotReachableError('docker.io is not there')
        unit.hook('upgrade-charm')
        assert unit.flags() == AVAILABLE

    def test_the_refusal_of_one_image_says_nothing_about_the_one_before(self, unit):
        unit.hook('install')
        unit.attached['my-image'] = OTHER_IMAGE
        self.answer = registry.NotFoundError('docker.io has no a/c')
        unit.hook('upgrade-charm')
        unit.attached['my-image'] = PRIVATE
        self.answer = registry.NotReachableError('docker.io is not there')
        unit.hook('upgrade-charm')
        assert unit.flags() == AVAILABLE

    def test_an_image_that_was_never_asked_about_since_a_refusal_is_waited_for(self, unit):
        self.answer = registry.NotFoundError('docker.io has no a/b')
        unit.hook('install')
        unit.attached['my-image'] = OTHER_IMAGE
        self.answer = registry.NotReachableError('docker.io is not there')
        unit.hook('upgrade-charm')
        assert unit.flags() == {'fetched'}
        assert unit.statuses[-1][0] == 'waiting'

    @pytest.mark.parametrize(
        ('path', 'pinned'),
        [
            ('nginx', 'docker.io/library/nginx@'),
            ('nginx:1.27', 'docker.io/library/nginx@'),
            ('localhost:5000/a/b:1', 'localhost:5000/a/b@'),
            ('reg.example/a:1@' + contents_cases.DIGEST, 'reg.example/a@'),
        ],
    )
    def test_the_pinned_path_has_the_digest_in_place_of_the_tag(self, unit, path, pinned):
        unit.attached['my-image'] = f'registrypath: {path}'.encode()
        unit.hook('install')
        info = unit.library.get_info('my-image')
        assert info.pinned_path == pinned + self.DIGEST
        assert info.registry_path == info.image_details['imagePath'] == path

    def test_the_pinned_path_without_a_digest_is_the_reference_itself(self, unit):
        unit.options['verify-image'] = False
        unit.attached['my-image'] = b'registrypath: nginx:1.27'
        unit.hook('install')
        assert unit.library.get_info('my-image').pinned_path == 'nginx:1.27'

    def test_all_that_handlers_fetch_is_looked_up_at_once(self, unit):
        names = [f'image-{n}' for n in range(10)]
        unit.metadata['resources'] = {name: {'type': 'oci-image'} for name in names}
        unit.attached = {name: f'registrypath: r/{name}'.encode() for name in names}
        unit.during(lambda: [unit.library.fetch(name) for name in names])
        unit.hook('install')
        assert [sorted(images) for images, _, _ in self.calls] == [names]

    def test_all_look_ups_of_a_hook_have_one_limit(self, unit, monkeypatch):
        unit.metadata['resources']['later'] = {'type': 'oci-image'}
        unit.attached['later'] = IMAGE
        monkeypatch.setattr(unit.handlers, '_RESOURCE_GET_SECONDS', 1e6)
        now = itertools.count(100, 20)
        monkeypatch.setattr(reading.time, 'monotonic', lambda: next(now))
        unit.during(lambda: unit.library.fetch('later'))
        unit.hook('install')
        assert [limit for _, limit, _ in self.calls] == [10, 0]

    def test_only_what_could_be_read_is_looked_up(self, unit):
        unit.metadata['resources']['empty'] = {'type': 'oci-image', 'auto-fetch': True}
        unit.hook('install')
        assert [sorted(images) for images, _, _ in self.calls] == [['my-image']]

    def test_the_proxies_of_the_model_are_used(self, unit, monkeypatch):
        monkeypatch.setenv('JUJU_CHARM_HTTPS_PROXY', 'http://proxy:3128')
        monkeypatch.setenv('JUJU_CHARM_NO_PROXY', '10.0.0.0/8')
        unit.hook('install')
        assert self.calls[0][2] == {'https': 'http://proxy:3128', 'no_proxy': '10.0.0.0/8'}
