"""Sequences of a seed, and what they are as a script and as Python."""

import math
import types

import pytest

from charm_unit._check import charm_setup
from charm_unit._commands import prompt
from charm_unit._explore import operations, report, sequences, world
from charm_unit._unit import charm
from support.small_charms import make

Step = sequences.Step


@pytest.fixture
def known(tmp_path):
    """A charm with an option and two relations, one of which it was given."""
    built = charm.BuiltCharm(
        make(
            tmp_path,
            resources=('web', 'proxy'),
            requires=('database', 'cache'),
            peers=('cluster',),
            actions=('renew',),
            config={'port': {'type': 'int', 'default': 80}},
        )
    )
    setup = charm_setup.Setup(relations={'database': [{'host': 'db', 'name': 'a b'}]})
    variations = world.variations(built, setup)
    return world.World(
        built,
        None,
        setup,
        '2.9.49',
        {},
        variations=variations,
        endpoints=('database', 'cache', 'cluster'),
        actions=('renew',),
    )


def test_a_seed_gives_the_same_sequences_in_any_order(known):
    generator = sequences.Generator(known, 7)
    forward = [generator.sequence(number) for number in range(40)]
    other = sequences.Generator(known, 7)
    assert [other.sequence(number) for number in reversed(range(40))] == forward[::-1]
    assert sequences.Generator(known, 8).sequence(0) != forward[0]


def test_a_seed_gives_these_sequences_in_all_versions_of_python(known):
    generator = sequences.Generator(known, 1)
    kinds = [[step.kind for step in generator.sequence(number).steps] for number in (0, 1)]
    assert kinds == [
        ['fail', 'attach', 'action', 'attach', 'config'],
        ['fail', 'attach', 'change', 'action', 'attach-private'],
    ]


def test_sequences_in_a_row_begin_with_the_same_steps(known):
    generator = sequences.Generator(known, 3)
    for group in range(10):
        trunk = generator.trunk(group)
        for branch in range(sequences.BRANCHES):
            sequence = generator.sequence(group * sequences.BRANCHES + branch)
            assert sequence.begins_with(trunk)
            assert len(sequence.steps) > len(trunk.steps)


def test_every_kind_of_step_occurs(known):
    generator = sequences.Generator(known, 1)
    kinds = {step.kind for number in range(300) for step in generator.sequence(number).steps}
    kinds |= {step.kind for number in range(5) for step in generator.hanging(number).steps}
    assert kinds == set(sequences._CHANGES) - {'resolve', 'upgrade'}


def test_steps_that_are_not_possible_are_left_out(known):
    steps = (
        Step('repair', 'web'),
        Step('depart', 'database'),
        Step('depart', 'database'),
        Step('join', 'database'),
        Step('relate', 'database'),
        Step('lead'),
        Step('follow'),
        Step('unrelate', 'cluster'),
        Step('remove'),
        Step('idle'),
    )
    kept = sequences.possible(known, sequences.Sequence(sequences.Start(), steps))
    assert kept.steps == (steps[1], steps[4], steps[6], steps[8])


def test_a_unit_that_is_removed_gets_no_more_steps(known):
    removed = sequences.Sequence(sequences.Start(), (Step('detach', 'web'), Step('remove')))
    assert sequences.settled(known, removed) == removed


def test_a_peer_that_only_speaks_is_none_of_those_that_run_hooks(known):
    steps = (Step('join', 'cluster'), Step('depart', 'cluster'))
    written = sequences.written(known, sequences.Sequence(sequences.Start(peers=1), steps))
    assert [operation.arguments for operation in written[1] + written[2]] == [
        ('cluster', 'small/7', {}),
        ('cluster', 'small/7'),
    ]


def test_a_sequence_ends_with_all_that_the_charm_needs(known):
    steps = (
        Step('follow'),
        Step('fail', 'web'),
        Step('detach', 'proxy'),
        Step('unrelate', 'database'),
    )
    settled = sequences.settled(known, sequences.Sequence(sequences.Start(), steps))
    assert settled.steps[4:] == (
        Step('attach', 'proxy', 2),
        Step('repair', 'web'),
        Step('relate', 'database'),
        Step('lead'),
        Step('idle'),
        Step('idle'),
    )


def test_each_step_is_a_command_of_charm_unit_run(known):
    """What a script says is what is done: the commands call the same methods."""
    recorded = []

    class Recorder:
        built = known.built
        name = 'small/0'
        command_prefix = ()
        peers = ()

        def __getattr__(self, name):
            def call(*arguments):
                recorded.append((name, arguments, self.command_prefix))
                return []

            return call

    recorder = Recorder()
    console = types.SimpleNamespace(print=lambda *_: None)
    commands = prompt.Commands(recorder, console)
    generator = sequences.Generator(known, 1)
    for number in [*range(60), *range(1000, 1005)]:
        sequence = generator.hanging(number) if number >= 1000 else generator.sequence(number)
        for done in sequences.written(known, sequence):
            for operation in done:
                recorded.clear()
                for line in operation.script():
                    commands.execute(line)
                failure, calls = operation.failure, list(recorded)
                if failure and failure.tool:
                    begun, *calls, ended = calls
                    begin = 'kill_hooks_at' if failure.kills else 'fail_tool'
                    assert begun == (begin, (failure.tool,), ())
                    assert ended == ('repair_tool', (failure.tool,), ())
                ((name, arguments, prefix),) = calls
                assert name == operation.method
                assert prefix == (('false',) if failure and not failure.tool else ())
                assert _texts(arguments) == _texts(operation.arguments), operation


def _texts(arguments):
    """Return arguments as the prompt has them: text, without what is empty or a default."""
    texts = []
    for argument in arguments:
        if isinstance(argument, dict):
            texts += [(key, str(value)) for key, value in argument.items()]
        elif argument not in ('', 'the store is down', None, {}):
            texts.append(argument)
    return texts


def test_python_of_an_operation_can_be_read_by_python():
    for operation in (
        operations.Operation('attach', ('web', b'registrypath: [{\n')),
        operations.Operation('slow_resource_get', ('web', math.inf)),
        operations.Operation('upgrade', failure=operations.Failure()),
        operations.Operation('upgrade', failure=operations.Failure('pod-spec-set')),
        operations.Operation('relate', ('database', 'remote-database/0', {'a': "b'c"})),
    ):
        compile('\n'.join(operation.python()), 'test', 'exec')


def test_a_sequence_is_described_in_one_line(known):
    start = sequences.Start(leader=False, attached=False)
    steps = (Step('config', 'port'), Step('attach-broken', 'web', 'not YAML'))
    assert report.describe(known, sequences.Sequence(start, steps)) == (
        "(not the leader) · relate database remote-database/0 host=db 'name=a b'; deploy · "
        "config port=81 · deliver web 'registrypath: [{\\npassword: open-millet-Vt2y\\n'"
    )
