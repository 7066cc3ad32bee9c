"""What a Dockerfile says is what Docker reads in it, whatever a resource holds."""

import json
import re

import hypothesis
from hypothesis import strategies

import charm_image
from charm_image import resources
from charm_image._build import dockerfile, plan
from charm_image.resources import _scripts as resource_scripts
from support.bundles import dockerfile_of

NEWLINE = dockerfile.NEWLINE


def builder_of(*made, **options):
    return charm_image.DockerBuilder(charm_image.ResourceBundle.from_iterator(made), **options)


def instructions(text):
    """Read a Dockerfile as BuildKit does: comments go first, then a single backslash joins."""
    found, current = [], ''
    for line in text.split('\n'):
        if re.match(r'\s*#', line) or not (line.strip() or current):
            continue
        current += line
        if re.search(r'(^|[^\\])\\[ \t]*$', line):
            current = current.rstrip(' \t')[:-1]
        else:
            found.append(current)
            current = ''
    return found


def scripts(builder):
    return [
        json.loads(each.removeprefix('RUN '))[2]
        for each in instructions(builder.dockerfile)
        if each.startswith('RUN ')
    ]


def modes(files):
    made = plan.Plan(charm_image.ResourceBundle.from_iterator(files))
    return {name.rpartition('/')[2]: mode for name, (_, mode) in made.files.items()}


WORDS = strategies.text(strategies.sampled_from('#\n\\ "\'$<a\t'), max_size=8)


@hypothesis.settings(deadline=None)
@hypothesis.given(strategies.lists(WORDS, min_size=1, max_size=4))
@hypothesis.example(['\n# a\n#b\n \\\n#', '#', '\n\n#'])
# where Docker's parser wants a long line to be continued
@hypothesis.example(['x' * 7900 + '#' * 200 + 'x'])
@hypothesis.example(['x' * 7900 + '\\' * 200 + 'x'])
@hypothesis.example(['x' * 7900 + ' ' * 200 + 'x'])
def test_a_script_loses_no_line_and_none_is_taken_for_a_comment(words):
    execute = resources.Execute(command=['echo', *words])
    [script] = scripts(builder_of(execute))
    expected = resource_scripts.Script({}, str)
    expected.apply(execute)
    assert script == '\n'.join(['umask 0022', *expected.lines]) + '\n'


@hypothesis.settings(deadline=None)
@hypothesis.given(strategies.lists(WORDS.map(lambda text: text.replace('\n', '')), min_size=1))
@hypothesis.example(['#', '# two', ' # three', ''])
def test_a_script_may_have_any_line_without_its_being_taken_for_a_comment(lines):
    [instruction] = instructions(f'RUN ["{dockerfile._written(lines)}"]')
    # Docker's parser may drop what indents a line
    read = json.loads(instruction.removeprefix('RUN '))[0].split('\n')
    assert [each.strip() for each in read] == [*(line.strip() for line in lines), '']


def test_a_line_of_a_command_that_begins_with_a_number_sign_stays(tmp_path):
    execute = resources.Execute(command=['sh', '-c', 'cat >/x <<E\n#!/bin/sh\n  # two\nE\n'])
    [script] = scripts(builder_of(execute))
    assert '\n#!/bin/sh\n  # two\nE\n' in script


def test_a_mode_of_2000_or_more_is_given_by_a_command():
    files = [
        resources.File(name=f'/{mode:o}', contents='', mode=mode)
        for mode in (0o644, 0o1777, 0o2000, 0o2755, 0o4755, 0o6111, 0o7777)
    ]
    builder = builder_of(*files)
    script = '\n'.join(scripts(builder))
    # the classic builder copies none of these, and chown clears them
    changed = re.findall('^chmod ([0-7]+) /([0-7]+)$', script, re.MULTILINE)
    assert changed == [(each, each) for each in ('2000', '2755', '4755', '6111', '7777')]
    assert {mode for name, mode in modes(files).items() if name.isdigit()} == {
        *(0o644, 0o1777, 0o000, 0o755, 0o111)
    }


def test_a_mode_of_2000_or_more_comes_after_the_owner():
    [script] = scripts(builder_of(resources.File(name='/a', contents='', mode=0o2755, owner='x')))
    assert script.index('chown') < script.index('chmod 2755')


def test_commands_do_not_see_the_argument_for_newlines():
    made = [resources.Execute(command='env'), resources.Link(name='/a', to='/b')]
    for options in ({'env': {'A': 'two\nlines'}}, {'labels': {'a': 'two\nlines'}}):
        builder = builder_of(*made, **options)
        assert f'ARG {NEWLINE}' in instructions(builder.dockerfile)
        assert [each.splitlines()[0] for each in scripts(builder)] == [f'unset {NEWLINE}'] * 2
    assert NEWLINE not in builder_of(*made, env={'A': 'one line'}).dockerfile


def test_a_script_removes_what_it_was_given_in_its_own_step():
    builder = builder_of(
        resources.User(name='app', password='$6$x'),
        resources.Line(name='/etc/app', match='^a', line='secret', sensitive=True),
        resources.Link(name='/link', to='/etc/app'),
        resources.Execute(command='true'),
    )
    first, second = scripts(builder)
    assert first.endswith(f'rm -rf {resource_scripts.STAGE}\n')
    assert resource_scripts.STAGE not in second


def test_settings_are_written_in_the_dockerfiles_order():
    written = dockerfile_of(
        resources.Execute(command='true'),
        from_image='debian:12',
        volumes=['/data'],
        ports=[80],
        cmd=['--all'],
        entrypoint=['serve', '$it'],
        workdir="/srv/it's $HOME",
        user='app:staff',
        stop_signal='SIGINT',
    )
    assert written.splitlines()[-7:] == [
        'VOLUME ["/data"]',
        'EXPOSE 80',
        'STOPSIGNAL SIGINT',
        "WORKDIR /srv/it\\'s \\$HOME",
        'USER app:staff',
        'ENTRYPOINT ["serve", "$it"]',
        'CMD ["--all"]',
    ]
