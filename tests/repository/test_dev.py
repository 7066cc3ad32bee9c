"""`./dev` answers, or starts tox, wherever and with whatever Python it is called."""

import configparser
import pathlib
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).parents[2]
USED = ('awk', 'cat', 'dirname', 'readlink', 'sed', 'sh')


@pytest.fixture
def checkout(tmp_path):
    """A checkout without .tox."""
    folder = tmp_path / 'checkout'
    folder.mkdir()
    for name in ('dev', 'tox.ini'):
        shutil.copy(ROOT / name, folder)
    return folder


@pytest.fixture
def programs(tmp_path):
    """A folder for PATH, with what `./dev` uses and no Python."""
    folder = tmp_path / 'programs'
    folder.mkdir()
    for name in USED:
        (folder / name).symlink_to(shutil.which(name))
    return folder


def _python(folder, name, version, *, good):
    """Put an interpreter there that only says its version, and which arguments it was given."""
    script = f"""#!/bin/sh
case "$1" in
    --version) echo 'Python {version}' ;;
    -c) exit {0 if good else 1} ;;
    -m) echo "{name} $*" >>'{folder}/asked'; exit 9 ;;
esac
"""
    (folder / name).write_text(script)
    (folder / name).chmod(0o755)


def _run(command, programs):
    home = programs / 'home'  # without pyenv
    return subprocess.run(
        command, env={'PATH': str(programs), 'HOME': str(home)}, capture_output=True, text=True
    )


@pytest.mark.parametrize('arguments', [[], ['-h'], ['--help']])
def test_help_lists_every_environment_and_installs_nothing(checkout, programs, arguments):
    done = _run([checkout / 'dev', *arguments], programs)
    assert (done.returncode, done.stderr) == (0, '')
    tox = configparser.ConfigParser()
    tox.read(ROOT / 'tox.ini')
    for section in tox.sections():
        if section.startswith('testenv:'):
            name = section.partition(':')[2]
            assert any(
                line.split(maxsplit=1) == [name, tox[section]['description']]
                for line in done.stdout.splitlines()
            )
    assert './dev tests' in done.stdout
    assert {path.name for path in checkout.iterdir()} == {'dev', 'tox.ini'}


def test_help_says_how_large_the_environments_become(checkout, programs):
    assert '2 GB' in _run([checkout / 'dev', '--help'], programs).stdout


def test_dev_may_be_started_through_a_symbolic_link(checkout, programs, tmp_path):
    (tmp_path / 'links').mkdir()
    (tmp_path / 'links' / 'relative').symlink_to('../checkout/dev')
    (tmp_path / 'absolute').symlink_to(tmp_path / 'links' / 'relative')
    direct = _run([checkout / 'dev', '--help'], programs)
    through = _run([tmp_path / 'absolute', '--help'], programs)
    assert (through.returncode, through.stdout) == (0, direct.stdout)


@pytest.mark.parametrize('version', ['3.6.15', '3.9.2', None])
def test_dev_without_a_python_that_is_new_enough_says_in_one_line_what_it_needs(
    checkout, programs, version
):
    if version:
        _python(programs, 'python3', version, good=False)
    done = _run([checkout / 'dev', 'demo'], programs)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert 'Python 3.10 or later' in line
    assert 'python3-venv' in line
    assert (version or 'missing') in line
    assert not (checkout / '.tox').exists()


def test_a_python_that_is_too_old_first_on_path_is_passed_over_for_a_better_one(
    checkout, programs
):
    _python(programs, 'python3', '3.6.15', good=False)
    _python(programs, 'python3.12', '3.12.1', good=True)
    done = _run([checkout / 'dev', 'demo'], programs)
    assert done.returncode == 9
    assert (programs / 'asked').read_text() == 'python3.12 -m venv --clear .tox/tox\n'


def test_a_python_without_ensurepip_makes_its_environment_with_pip(checkout, programs):
    _python(programs, 'python3', '3.11.2', good=True)
    script = programs / 'python3'
    without = '-c) case "$2" in "import ensurepip") exit 1 ;; esac;'
    text = script.read_text().replace('-c)', without)
    script.write_text(text)
    assert _run([checkout / 'dev', 'demo'], programs).returncode == 9
    assert '-m pip install' in (programs / 'asked').read_text()
    assert '--target .tox/virtualenv' in (programs / 'asked').read_text()


@pytest.fixture
def asks_tox(checkout, programs, tmp_path):
    """Call `./dev` where tox is installed; give what it is asked for."""
    interpreter = checkout / '.tox' / 'tox' / 'bin' / 'python'
    interpreter.parent.mkdir(parents=True)
    asked = tmp_path / 'asked'
    interpreter.write_text(f'#!/bin/sh\n[ "$1" = -c ] || printf "%s\\n" "$@" >{asked}\n')
    interpreter.chmod(0o755)

    def ask(*arguments):
        done = _run([checkout / 'dev', *arguments], programs)
        assert (done.returncode, done.stderr) == (0, '')
        return asked.read_text().splitlines()[2:]

    return ask


@pytest.mark.parametrize('name', ['demo', 'life'])
@pytest.mark.parametrize('arguments', [['--svg'], ['--', '--svg']])
def test_options_after_demo_are_the_programs_and_life_is_its_older_name(asks_tox, name, arguments):
    assert asks_tox(name, *arguments) == ['run', '-e', 'demo', '--', '--svg']


AT_ONCE = ['run-parallel', '--parallel', '2', '--parallel-no-spinner', '-e']


@pytest.fixture
def tox():
    parser = configparser.ConfigParser()
    parser.read(ROOT / 'tox.ini')
    return parser['tox']


def test_tests_all_run_two_environments_at_a_time(asks_tox, tox):
    assert asks_tox('tests', 'all') == [*AT_ONCE, tox['env_list']]
    assert asks_tox('tests', 'all', '-v') == [*AT_ONCE, tox['env_list'], '-v']


def test_tests_without_a_word_are_the_short_run(asks_tox, tox):
    short = tox['labels'].removeprefix('short = ')
    assert asks_tox('tests', '-v') == [*AT_ONCE, short, '-v']
    assert set(short.split(', ')) < set(tox['env_list'].split(', '))


def test_short_run_says_at_its_end_what_it_left_out(checkout, programs, asks_tox):
    asks_tox('tests')  # makes an interpreter for tox
    done = _run([checkout / 'dev', 'tests'], programs)
    assert '`./dev tests all` has all Pythons, engines of other releases' in done.stdout
    assert _run([checkout / 'dev', 'tests', 'all'], programs).stdout == ''


def test_short_run_fails_as_tox_does(checkout, programs, asks_tox):
    asks_tox('tests')
    interpreter = checkout / '.tox' / 'tox' / 'bin' / 'python'
    interpreter.write_text('#!/bin/sh\n[ "$1" = -c ] || exit 3\n')
    assert _run([checkout / 'dev', 'tests'], programs).returncode == 3
