"""What Juju refuses at a deployment is refused, with its file and line.

metadata.yaml, manifest.yaml, config.yaml and actions.yaml are held against meta.go, resources.go,
extra_bindings.go, payloads.go, assumes/parser.go, manifest.go, base.go, channel.go, config.go and
actions.go of juju/charm v8, of Juju 2.9, and what they use of juju/schema, juju/names, juju/utils
and juju/version.
"""

import re

import pytest
import yaml

import charm_unit

GOOD = {
    'metadata': 'name: tested\nsummary: A charm\ndescription: To test with.\n',
    'config': 'options: {}\n',
    'actions': '',
}


@pytest.fixture
def built(charm):
    """A function that makes a charm with this text after a good beginning of a file."""

    def make(file, text, replace=False):
        folder = charm()
        for name, good in GOOD.items():
            content = good if name != file else text if replace else good + text
            (folder / f'{name}.yaml').write_text(content)
        return folder

    return make


METADATA = [
    ('resources: {web: {type: image}}', 4, 'unsupported resource type "image"'),
    ('resources: {web: {type: docker}}', 4, 'unsupported resource type "docker"'),
    ('resources:\n  web: {type: oci-image}\n  data: {type: file}', 6, 'resource missing filename'),
    ('resources:\n  data:\n    filename: a/b', 6, 'filename cannot contain "/" (got "a/b")'),
    ('resources:\n  data: {}', 5, 'resource data: resource missing filename'),
    (
        'resources: {web: {type: 5}}',
        4,
        'metadata: resources.web.type: expected string, got int(5)',
    ),
    ('resources: [web]', 4, 'resources: expected map, got []interface {}([]interface {}{"web"})'),
    ('requires: {juju-info: {interface: x}}', 4, 'using a reserved relation name: "juju-info"'),
    ('provides: {a: {interface: juju-x}}', 4, 'relation "a" using a reserved interface: "juju-x"'),
    ('requires: {db: {}}', 4, 'metadata: requires.db.interface: expected string, got nothing'),
    ('requires: {db: {interface: x, scope: z}}', 4, 'requires.db.scope: unexpected value "z"'),
    ('peers: {a: x}\nprovides:\n  a: x', 4, 'using a duplicated relation name: "a"'),
    ('series: [Xenial]', 4, 'charm "tested" declares invalid series: "Xenial"'),
    ('tags: misc', 4, 'metadata: tags: expected list, got string("misc")'),
    ('extra-bindings: {}', 4, 'extra bindings cannot be empty when specified'),
    ('extra-bindings: {a: }\nrequires: {a: x}', 4, 'relation names (a) cannot be used in extra'),
    ('storage: {data: {type: nfs}}', 4, 'metadata: storage.data.type: unexpected value "nfs"'),
    ('storage: {d: {type: block, location: /x}}', 4, 'location may not be specified for "type: b'),
    ('storage: {d: {type: filesystem, multiple: {range: 0}}}', 4, 'invalid count 0'),
    ('deployment: {type: stateful}', 4, 'must declare at least one series'),
    ('series: [kubernetes]\ndeployment: {type: x}', 5, 'deployment.type: unexpected value "x"'),
    ('min-juju-version: 3.0.0', 4, "charm's min version (3.0.0) is higher than this juju model's"),
    ('min-juju-version: new', 4, 'invalid min-juju-version: invalid version "new"'),
    ('min-juju-version: "2.9"', 4, 'invalid min-juju-version: invalid version "2.9"'),
    ('min-juju-version: 2.9', 4, 'min-juju-version: expected string, got float64(2.9)'),
    ('requires:', 4, 'metadata: requires: expected map, got nothing'),
    ('requires: {5: x}', 4, 'metadata: requires: expected string, got int(5)'),
    ('requires: {db: {interface: x, limit: z}}', 4, 'requires.db.limit: unexpected value "z"'),
    ('requires: {db: {interface: x, optional: z}}', 4, 'optional: expected bool, got string("z")'),
    ('requires: {db: [x]}', 4, 'metadata: requires.db: expected map, got []interface {}('),
    ('subordinate: maybe', 4, 'metadata: subordinate: expected bool, got string("maybe")'),
    ('subordinate: true\nrequires: {a: x}', 4, 'lacks "requires" relation with container scope'),
    ('extra-bindings: {a: b}', 4, 'extra-bindings.a: expected empty value, got string("b")'),
    (
        'extra-bindings: {"": }',
        4,
        'extra-bindings: expected non-empty binding name, got string(""',
    ),
    ('storage: {d: }', 4, 'metadata: storage.d: expected map, got nothing'),
    ('storage: {d: {type: block, shared: 5}}', 4, 'storage.d.shared: expected bool, got int(5)'),
    ('storage: {d: {type: block, multiple: {range: x}}}', 4, 'value "x" does not match \'m\', '),
    ('storage: {d: {type: block, multiple: {}}}', 4, 'd.multiple.range: unexpected value <nil>'),
    ('storage: {d: {type: block, multiple: {range: 0-0}}}', 4, 'invalid maximum count 0'),
    (
        'storage: {d: {type: block, minimum-size: 1}}',
        4,
        'minimum-size: expected string, got int(1',
    ),
    ('storage: {d: {type: block, minimum-size: 1K}}', 4, 'invalid multiplier suffix "K", expecte'),
    ('storage: {d: {type: block, minimum-size: x}}', 4, 'expected a non-negative number, got "x"'),
    ('storage: {d: {type: block, properties: [x]}}', 4, 'properties[0]: unexpected value "x"'),
    (
        'series: [kubernetes]\nstorage:\n  d: {type: block}',
        6,
        'block storage "d" is not supported',
    ),
    ('devices: {gpu: {}}', 4, 'metadata: devices.gpu.type: expected string, got nothing'),
    ('devices: {gpu: {type: ""}}', 4, 'charm "tested" device "gpu": type must be specified'),
    ('devices: {gpu: {type: x, countmin: -1}}', 4, 'metadata: invalid device count -1'),
    ('devices: {gpu: {type: x, countmin: 2}}', 4, '1 can not be smaller than minimum count 2'),
    ('payloads: {vm: {}}', 4, 'metadata: payloads.vm.type: expected string, got nothing'),
    ('payloads: {vm: {type: ""}}', 4, 'payload class missing type'),
    ('payloads: {v_m: {type: kvm}}', 4, 'invalid payload class "v_m"'),
    ('terms: [A]', 4, 'wrong term name format "A"'),
    ('terms: [a/b/c/d]', 4, 'unknown term id format "a/b/c/d"'),
    (
        'terms: [a/bb/c]',
        4,
        'invalid revision number "c" strconv.Atoi: parsing "c": invalid syntax',
    ),
    ('terms: [-/bb]', 4, 'wrong owner format "-"'),
    ('terms:\n- bb/1\n- aa:bb\n- A:bb', 7, 'wrong term tenant format "A"'),
    ('terms: [bb/-1]', 4, 'negative term revision'),
    ('containers: {web: {resource: x}}', 4, 'containers without a manifest.yaml not valid'),
    ('containers: {web: {resource: x}}', 4, 'parsing containers: referenced resource "x" not fo'),
    ('containers: {web: {mounts: [{}]}}', 4, 'container "web": storage must be specifed on mount'),
    ('containers: {w: {mounts: [{storage: d, location: /x}]}}', 4, 'storage "d" not valid'),
    ('assumes: [juju]', 4, 'assumes in metadata v1 not valid'),
    ('assumes: juju', 4, 'metadata: assumes: expected list, got string("juju")'),
    (
        'assumes: [juju > 2]',
        4,
        'top level "assumes" block: malformed feature expression "juju > 2',
    ),
    ('assumes:\n- juju\n- any: [x]', 6, 'malformed composite expression; expected an "any-of"'),
    (
        'assumes: [all-of: [any-of: [5]]]',
        4,
        'parsing "all-of" expression: parsing "any-of" expres',
    ),
    (
        'series: [bionic]\nassumes: [x]',
        4,
        'ambiguous metadata: keys "series" cannot be used with "',
    ),
    ('series: [kubernetes]\ndeployment: {min-version: x}', 5, 'invalid version "x"'),
    ('requires: {db: [', 4, 'yaml: '),
]


@pytest.mark.parametrize(('text', 'line', 'reason'), METADATA)
def test_metadata_yaml_that_juju_refuses_is_refused(built, text, line, reason):
    folder = built('metadata', text)
    with pytest.raises(charm_unit.InvalidCharmError) as caught:
        charm_unit.Unit(folder, deploy=False)
    listed = str(caught.value).splitlines()[1:]
    assert any(
        told.startswith(f'{folder}/metadata.yaml:{line}: ') and reason in told for told in listed
    )


@pytest.mark.parametrize(
    ('text', 'line', 'reason'),
    [
        ('summary: a\ndescription: b', 1, 'metadata: name: expected string, got nothing'),
        ('name: tested\nsummary: a', 1, 'metadata: description: expected string, got nothing'),
        (
            'name: a\nsummary: 5\ndescription: b',
            2,
            'metadata: summary: expected string, got int\\(5\\)',
        ),
        ('summary: a\nname: Bad_Name\ndescription: b', 2, 'charm name "Bad_Name" not valid'),
    ],
)
def test_a_charm_has_a_name_a_summary_and_a_description(built, text, line, reason):
    with pytest.raises(charm_unit.InvalidCharmError, match=f'metadata.yaml:{line}: {reason}'):
        charm_unit.Unit(built('metadata', text, replace=True), deploy=False)


@pytest.mark.parametrize(
    ('entry', 'line', 'reason'),
    [
        ('type: integer', 3, 'invalid config: option "a" has unknown type "integer"'),
        ('default: 80', 3, 'invalid config default: option "a" expected string, got 80'),
        ('default: yes', 3, 'invalid config default: option "a" expected string, got true'),
        ('default: y', 3, 'invalid config default: option "a" expected string, got true'),
        ('type: int\n    default: 1.0', 4, 'option "a" expected int, got 1'),
        ('type: int\n    default: ""', 4, 'option "a" expected int, got ""'),
        ('type: int\n    default: true', 4, 'option "a" expected int, got true'),
        ('type: boolean\n    default: "no"', 4, 'option "a" expected boolean, got "no"'),
        ('type: boolean\n    default: 1', 4, 'option "a" expected boolean, got 1'),
        ('type: float\n    default: "1"', 4, 'option "a" expected float, got "1"'),
    ],
)
def test_config_yaml_that_juju_refuses_is_refused(built, entry, line, reason):
    folder = built('config', f'options:\n  a:\n    {entry}\n', replace=True)
    with pytest.raises(charm_unit.InvalidCharmError, match=f'config.yaml:{line}: .*{reason}'):
        charm_unit.Unit(folder, deploy=False)


@pytest.mark.parametrize('text', ['', '{}', 'option: {}'])
def test_a_config_yaml_without_options_is_refused(built, text):
    with pytest.raises(charm_unit.InvalidCharmError, match='invalid config: empty configuration'):
        charm_unit.Unit(built('config', text, replace=True), deploy=False)


@pytest.mark.parametrize(
    ('kind', 'default', 'value'),
    [
        ('int', '"0x10"', 16),
        ('int', '"010"', 8),
        ('int', '0x10', 16),
        ('float', '1', 1.0),
        ('float', '1e3', 1000.0),
        ('boolean', '"t"', True),
        ('boolean', 'off', False),
        ('string', '2024-01-31', '2024-01-31'),
        ('string', '1:20', '1:20'),
        ('string', '""', ''),
        ('string', '', None),
    ],
)
def test_a_default_is_coerced_where_juju_coerces(built, kind, default, value):
    text = f'options:\n  a: {{type: {kind}, default: {default}}}\n'
    with charm_unit.Unit(built('config', text, replace=True), deploy=False) as unit:
        assert unit.config == {'a': value}
        assert type(unit.config['a']) is type(value)


@pytest.mark.parametrize(
    ('text', 'line', 'reason'),
    [
        ('Back_up: {}', 1, 'bad action name Back_up'),
        ('juju-run: {}', 1, 'cannot use action name juju-run: the "juju-" prefix is reserved'),
        ('a: {description: 5}', 1, 'value for schema key "description" must be a string'),
        ('a:\n  required: b', 2, 'value for schema key "required" must be a YAML list'),
        ('a:\n  params: [b]', 2, 'params failed to parse as a map'),
        ('a:\n  params:\n    b:\n      $ref: x', 4, 'schema key "$ref" not compatible with this'),
        ('a:\n  params:\n    b: {type: text}', 3, 'invalid params schema for action schema a: te'),
        ('a:\n  params:\n    b: string', 3, 'schema must be of type object'),
        ('a:\n  params:\n    b: {minimum: x}', 3, 'minimum must be of a number'),
        (
            'a:\n  params:\n    b: {minimum: 2, maximum: 1}',
            3,
            'minimum cannot be greater than max',
        ),
        ('a:\n  params:\n    b: {pattern: "["}', 3, "Invalid regex pattern '['"),
        ('a:\n  additionalProperties: x', 2, 'additionalProperties must be of type boolean/sch'),
        ('- a', 1, 'actions must be a map'),
    ],
)
def test_actions_yaml_that_juju_refuses_is_refused(built, text, line, reason):
    folder = built('actions', text)
    with pytest.raises(
        charm_unit.InvalidCharmError, match=f'actions.yaml:{line}: .*{re.escape(reason)}'
    ):
        charm_unit.Unit(folder, deploy=False)


MANIFEST = [
    ('', 1, 'invalid base in manifest'),
    ('{}', 1, 'manifest: coerce: expected list, got nothing'),
    ('bases: [{channel: "18.04"}]', 1, 'manifest: base without name not valid'),
    ('bases: [{name: Ubuntu, channel: "18.04"}]', 1, 'manifest: os "Ubuntu" not valid'),
    ('bases: [{name: ubuntu}]', 1, 'manifest: channel not valid'),
    (
        'bases:\n- {name: ubuntu, channel: 18.04}',
        2,
        '[0].channel: expected string, got float64(18.',
    ),
    (
        'bases:\n- {name: ubuntu, channel: a/b}',
        2,
        'parsing channel "a/b": risk in channel "a/b" no',
    ),
    (
        'bases:\n- {name: ubuntu, channel: a/b/c/d}',
        2,
        'channel is malformed and has too many compo',
    ),
    (
        'bases:\n- {name: ubuntu, channel: "1", architectures: [vax]}',
        2,
        'architecture "vax" not va',
    ),
]


@pytest.mark.parametrize(('text', 'line', 'reason'), MANIFEST)
def test_manifest_yaml_that_juju_refuses_is_refused(built, text, line, reason):
    folder = built('metadata', '')
    (folder / 'manifest.yaml').write_text(text)
    with pytest.raises(charm_unit.InvalidCharmError) as caught:
        charm_unit.Unit(folder, deploy=False)
    assert str(caught.value).splitlines()[1].startswith(f'{folder}/manifest.yaml:{line}: ')
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ('text', 'line', 'reason'),
    [
        ('metrics:\n  a: {}', 2, 'invalid metrics declaration: metric "a" has unknown type ""'),
        ('metrics: {a: {type: count}}', 1, 'metric "a" has unknown type "count"'),
        ('metrics: {a: {type: gauge}}', 1, 'metric "a" lacks description'),
        ('metrics: {juju-units: {type: gauge}}', 1, 'is using a prefix reserved for built-in'),
    ],
)
def test_metrics_yaml_that_juju_refuses_is_refused(built, text, line, reason):
    """metrics.go of juju/charm v8"""
    folder = built('metadata', '')
    (folder / 'metrics.yaml').write_text(text)
    with pytest.raises(charm_unit.InvalidCharmError, match=f'metrics.yaml:{line}: .*{reason}'):
        charm_unit.Unit(folder, deploy=False)
    (folder / 'metrics.yaml').write_text(
        'metrics: {juju-units: , a: {type: gauge, description: b}}'
    )
    charm_unit.Unit(folder, deploy=False)


@pytest.mark.parametrize('channel', ['18.04', '20.04/stable', 'edge', 'latest/beta/fix'])
def test_a_charm_may_have_bases_and_an_older_one_series(built, channel):
    folder = built('metadata', 'resources: {a: {type: oci-image}}\ncontainers: {w: {resource: a}}')
    text = f'bases: [{{name: ubuntu, channel: "{channel}", architectures: [x86_64, arm64]}}]'
    (folder / 'manifest.yaml').write_text(text)
    charm_unit.Unit(folder, deploy=False)
    folder = built('metadata', 'min-juju-version: 2.9-beta1\nseries: [kubernetes]\n')
    charm_unit.Unit(folder, deploy=False)


def test_a_charm_with_bases_has_no_key_of_those_with_series(built):
    folder = built('metadata', 'min-juju-version: 2.9.0')
    (folder / 'manifest.yaml').write_text('bases: [{name: ubuntu, channel: "18.04"}]')
    with pytest.raises(
        charm_unit.InvalidCharmError, match='min-juju-version in metadata v2 not va'
    ):
        charm_unit.Unit(folder, deploy=False)


def test_juju_before_2_9_knows_nothing_of_containers(built):
    folder = built('metadata', 'assumes: x\ncontainers: {w: {mounts: x}}')
    (folder / 'manifest.yaml').write_text('[')
    charm_unit.Unit(folder, deploy=False, juju='2.8.0')


@pytest.mark.parametrize(
    ('file', 'text', 'reason'),
    [
        ('actions', 'a: {parallel: 1}', 'value for schema key "parallel" must be a bool'),
        ('actions', 'a: {execution-group: 1}', 'key "execution-group" must be a string'),
        (
            'config',
            'options: {a: {type: secret, default: x}}',
            'option "a" expected secret, got "x"',
        ),
    ],
)
def test_juju_3_reads_more(built, file, text, reason):
    """actions.go and config.go of juju/charm v12"""
    folder = built(file, text, replace=True)
    with pytest.raises(charm_unit.InvalidCharmError, match=reason):
        charm_unit.Unit(folder, deploy=False, juju='3.6')


def test_an_option_is_a_secret_since_juju_3_3(built):
    folder = built('config', 'options: {a: {type: secret, default: "secret:x"}}', replace=True)
    with charm_unit.Unit(folder, deploy=False, juju='3.3.1', config={'a': 'secret:y'}) as unit:
        assert unit.config == {'a': 'secret:y'}
    with pytest.raises(charm_unit.InvalidCharmError, match='option "a" has unknown type "secret"'):
        charm_unit.Unit(folder, deploy=False, juju='3.2.0')


def test_all_that_is_wrong_is_told_at_once(built):
    folder = built('metadata', 'resources: {a: {}}\nseries: [X]')
    (folder / 'config.yaml').write_text('options: {a: {type: integer}}')
    with pytest.raises(charm_unit.InvalidCharmError) as caught:
        charm_unit.Unit(folder, deploy=False)
    assert len(str(caught.value).splitlines()) == 4


def test_what_juju_refuses_is_refused_in_an_upgrade_too(charm, built):
    with charm_unit.Unit(charm(folder='first'), deploy=False) as unit:
        with pytest.raises(charm_unit.InvalidCharmError, match='unknown type'):
            unit.upgrade(built('config', 'options: {a: {type: x}}', replace=True))
        assert unit.built.folder.name == 'first'


def test_an_upgrade_that_lacks_an_endpoint_with_a_relation_is_refused(charm):
    first, second = charm(requires={'db': {}}), charm(folder='second')
    with charm_unit.Unit(first, deploy=False) as unit:
        unit.upgrade(second)
        unit.upgrade(first)
        unit.relate('db', 'mysql/0')
        with pytest.raises(charm_unit.UsageError, match='would break relation "tested:db mysql:'):
            unit.upgrade(second)


@pytest.mark.parametrize(
    'more',
    [
        {'deployment': {'type': 'stateful'}},
        {'storage': {'data': {'type': 'filesystem'}}},
        {'devices': {'gpu': {'type': 'nvidia.com/gpu'}}},
    ],
)
def test_an_upgrade_on_kubernetes_keeps_its_deployment_storage_and_devices(charm, more):
    """SetCharm in apiserver/facades/client/application/application.go of juju/juju 2.9.31"""
    first = charm(series=['kubernetes'])
    second = charm(series=['kubernetes'], folder='second', **more)
    unit = charm_unit.Unit(first, deploy=False)
    with pytest.raises(charm_unit.UsageError, match='does not support updating'):
        unit.upgrade(second)


def test_an_upgrade_on_a_machine_may_have_new_storage(charm):
    first, storage = charm(series=['bionic']), {'data': {'type': 'filesystem'}}
    with charm_unit.Unit(first, deploy=False) as unit:
        unit.upgrade(charm(series=['bionic'], folder='second', storage=storage))
        assert 'storage' in unit.metadata


def test_an_upgrade_drops_what_is_set_and_no_longer_accepted(charm):
    first = charm(config={'a': {'type': 'string'}, 'b': {'type': 'int'}, 'c': {'type': 'int'}})
    second = charm(folder='second', config={'a': {'type': 'int'}, 'b': {'type': 'float'}})
    with charm_unit.Unit(first, deploy=False, config={'a': 'x', 'b': 2, 'c': 3}) as unit:
        unit.upgrade(second)
        assert unit.config == {'a': None, 'b': 2.0}


# What an operator sets


@pytest.mark.parametrize(
    ('kind', 'given', 'value'),
    [
        *[('int', '80', 80), ('int', 80, 80), ('int', '-1', -1), ('float', 1, 1.0)],
        *[('float', '1e3', 1000.0), ('boolean', 'True', True), ('boolean', '0', False)],
        *[('string', 'x', 'x'), ('string', '', '')],
    ],
)
def test_an_option_is_set_to_what_juju_makes_of_it(charm, kind, given, value):
    with charm_unit.Unit(charm(config={'a': {'type': kind}}), deploy=False) as unit:
        unit.configure(a=given)
        assert unit.config == {'a': value}


@pytest.mark.parametrize(
    ('kind', 'given'),
    [
        *[('int', '0x10'), ('int', 'x'), ('int', 1.0), ('int', True), ('int', str(2**63))],
        *[('float', 'x'), ('float', True), ('boolean', 'yes'), ('boolean', 1), ('string', 5)],
    ],
)
def test_an_option_of_another_type_is_refused(charm, kind, given):
    with charm_unit.Unit(charm(config={'a': {'type': kind}}), deploy=False) as unit:
        with pytest.raises(charm_unit.UsageError, match=f'option "a" expected {kind}, got '):
            unit.configure(a=given)
        assert unit.config == {'a': None}


def test_an_option_that_is_set_to_what_it_is_set_to_runs_no_hook(charm):
    """The hash of the settings decides, state/watcher.go: the default is none of them."""
    with charm_unit.Unit(charm(config={'a': {'type': 'int', 'default': 1}})) as unit:
        assert [run.hook for run in unit.configure(a=2)] == ['config-changed']
        assert unit.configure(a='2') == []
        assert [run.hook for run in unit.configure(a=None)] == ['config-changed']
        assert unit.configure(a=None) == []
        assert [run.hook for run in unit.configure(a=1)] == ['config-changed']


SCHEMA = """
backup:
  additionalProperties: false
  required: [mb]
  params:
    mb: {type: integer, minimum: 1, maximum: 9}
    to: {type: string, enum: [a, b], default: a}
    tags: {type: array, items: {type: string}, uniqueItems: true}
    inner:
      type: object
      properties: {depth: {type: integer, default: 3}}
"""


@pytest.fixture
def backup(charm):
    folder = charm({'backup': 'action-get --format=json'}, actions=yaml.safe_load(SCHEMA))
    with charm_unit.Unit(folder, deploy=False) as unit:
        yield lambda parameters: unit.run_action('backup', parameters)[0].output


def test_an_action_has_the_defaults_that_it_declares(backup):
    assert backup({'mb': 5}) == '{"inner":{"depth":3},"mb":5,"to":"a"}\n'
    assert backup({'mb': 5, 'to': 'b', 'inner': {}}) == '{"inner":{"depth":3},"mb":5,"to":"b"}\n'


@pytest.mark.parametrize(
    ('parameters', 'reason'),
    [
        ({}, '(root) : "mb" property is missing and required, given {}'),
        ({'mb': 5, 'gb': 1}, '(root) : additional property "gb" is not allowed, given {'),
        ({'mb': '5'}, '(root).mb : must be of type integer, given "5"'),
        ({'mb': True}, '(root).mb : must be of type integer, given true'),
        ({'mb': 1.5}, '(root).mb : must be of type integer, given 1.5'),
        ({'mb': 0}, '(root).mb : must be greater than or equal to 1, given 0'),
        ({'mb': 10}, '(root).mb : must be lower than or equal to 9, given 10'),
        ({'mb': 5, 'to': 'c'}, '(root).to : must match one of the enum values ["a","b"], given'),
        ({'mb': 5, 'tags': [1]}, '(root).tags.0 : must be of type string, given 1'),
        ({'mb': 5, 'tags': ['a', 'a']}, '(root).tags : array items must be unique, given'),
        ({'mb': 5, 'inner': {'depth': 'x'}}, '(root).inner.depth : must be of type integer'),
    ],
)
def test_parameters_that_an_action_does_not_allow_are_refused(backup, parameters, reason):
    with pytest.raises(charm_unit.UsageError) as caught:
        backup(parameters)
    assert str(caught.value).startswith('action backup: validation failed: ')
    assert reason in str(caught.value)


def test_a_parameter_that_is_not_declared_is_taken_unless_the_action_says_no(charm):
    folder = charm({'backup': 'action-get x'}, actions={'backup': {'params': {}}})
    with charm_unit.Unit(folder, deploy=False) as unit:
        assert unit.run_action('backup', {'x': 'y'})[0].output == 'y\n'
