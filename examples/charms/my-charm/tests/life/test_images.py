def test_without_an_image_it_says_which_one_is_missing(make_unit):
    unit = make_unit()
    assert unit.status[0] == 'blocked'
    assert 'my-resource' in unit.status[1]
    assert unit.pod_spec is None


def test_another_image_reaches_the_pod_spec(make_unit):
    unit = make_unit(resources={'my-resource': 'docker.io/library/nginx:1.27'})
    unit.attach('my-resource', 'docker.io/library/nginx:1.28')
    assert unit.image('my-service') == 'docker.io/library/nginx:1.28'
    assert unit.status == ('active', 'ready')


def test_a_broken_image_leaves_the_pod_spec_alone_and_is_recovered_from(make_unit):
    unit = make_unit(resources={'my-resource': 'docker.io/library/nginx:1.27'})
    unit.attach('my-resource', b'no: image')
    assert unit.status[0] == 'blocked'
    assert unit.image() == 'docker.io/library/nginx:1.27'
    unit.attach('my-resource', 'docker.io/library/nginx:1.28')
    assert unit.image() == 'docker.io/library/nginx:1.28'


def test_only_the_leader_sends_the_pod_spec(make_unit):
    unit = make_unit(resources={'my-resource': 'docker.io/library/nginx:1.27'}, leader=False)
    assert unit.pod_spec is None
    unit.become_leader()
    assert unit.image() == 'docker.io/library/nginx:1.27'
