"""What an engine, a command or a caller of a build says is shown printable.

The output of a command is the author's own, and shown whole: line by line, with what a terminal
would obey left out or escaped.
"""

from unittest import mock

import docker
import pytest

import charm_image
from charm_image import resources
from charm_image._build import bases, builder_reports, engines, events, plan

INVENTED = '[9/9] File[/etc/passwd]: done'
EVIL = f'evil\x1b]0;owned\x07\x1b[2J\x9b31m\u202e\u2066\x00\x7f\r\n{INVENTED}\u2028\ud800'
LONG = EVIL + 'x' * 30_000


def check(text):
    for line in text.split('\n'):
        assert line.isprintable(), repr(line)
        assert not line.startswith(INVENTED)
        line.encode()


@pytest.fixture
def follower():
    """What follows a build of one step."""
    made = charm_image.ResourceBundle.from_iterator([resources.Execute(command='make')])
    [step] = plan.Plan(made, {}).steps
    return events.Follower([(step, 'RUN make')])


@pytest.mark.parametrize('kind', ['output', 'note', 'image'])
def test_the_report_of_a_builder_is_shown_printable(kind, follower):
    for progress in follower.follow(builder_reports.Event(kind, 0, LONG)):
        check(str(progress))
        check(progress.text)


def test_output_of_a_command_is_shown_whole(follower):
    reader = builder_reports.Classic()
    list(reader.read({'stream': 'Step 1/1 : RUN x'}))
    lines = [e.text for e in reader.read({'stream': f'a\x1b[31m{"x" * 30_000}\x1b[0mb\n'})]
    output = [builder_reports.Event('output', 0, line) for line in lines]
    shown = [str(progress) for event in output for progress in follower.follow(event)]
    assert shown[-1] == f'    a{"x" * 30_000}b'


def test_the_error_that_ends_a_build_is_shown_printable(follower):
    list(follower.follow(builder_reports.Event('output', 0, LONG)))
    with pytest.raises(charm_image.StepError) as of_step:
        list(follower.follow(builder_reports.Event('failed', 0, LONG)))
    check(str(of_step.value))
    check('\n'.join(of_step.value.output))
    with pytest.raises(charm_image.BuildError) as of_engine:
        list(events.Follower([(None, 'FROM x')]).follow(builder_reports.Event('failed', 0, LONG)))
    first, *details = str(of_engine.value).split('\n')
    assert first.startswith('the engine cannot build the image: evil')
    check(first)
    assert all(line.isprintable() and len(line) <= 4_000 for line in details)


def test_the_report_of_a_pull_is_shown_printable():
    reports = [{'id': LONG, 'status': LONG}, {'id': [LONG], 'status': {LONG: 1}}]
    client = mock.Mock(pull=lambda *args, **kwargs: iter([*reports, {'error': LONG}]))
    pulled, shown = bases.Base(client, 'base', None)._pull(), []
    with pytest.raises(charm_image.BuildError) as raised:
        shown.extend(pulled)
    assert len(shown) == 2
    for line in map(str, (*shown, raised.value)):
        check(line)
        assert len(line) < 1_000


def test_the_explanation_of_an_engine_is_shown_printable():
    with pytest.raises(charm_image.BuildError) as raised, engines.as_build_error():
        raise docker.errors.APIError('failed', explanation=LONG)
    check(str(raised.value))
    assert len(str(raised.value)) < 1_000


@pytest.mark.parametrize(
    'option',
    ['--env', '--labels', '--platform', '--engine', '--tag', '--from-image', '--ports', '--user']
    + ['--cmd', '--workdir', '--stop-signal', '--output', '--volumes'],
)
def test_options_of_a_task_are_shown_printable(option, fab):
    value = LONG.replace('\0', '').replace('\ud800', '')
    done = fab('app-server', 'word', f'{option}={value}', '--dry-run', status=None)
    if option not in ('--env', '--labels', '--cmd'):  # which the Dockerfile has, quoted
        assert done.returncode
    check(done.stdout.replace('\t', ' ') + done.stderr)
