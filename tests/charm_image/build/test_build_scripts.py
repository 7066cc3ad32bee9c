"""What the scripts do, in the shells that images have."""

import re
import shutil
import subprocess

import hypothesis
import pytest
from hypothesis import strategies

import support
from charm_image import resources
from charm_image.resources import _scripts


@pytest.fixture(scope='session', params=['dash', 'busybox', 'bash'])
def shell(request, tmp_path_factory):
    """Runs the script of a resource; gives its exit status and what it wrote."""
    support.require(request.param)
    environ = {'PATH': '/usr/sbin:/usr/bin:/sbin:/bin'}
    program = [shutil.which(request.param)]
    if request.param == 'busybox':
        applets = tmp_path_factory.mktemp('applets')
        names = subprocess.run([*program, '--list'], capture_output=True, text=True, check=True)
        for name in names.stdout.split():
            (applets / name).symlink_to(program[0])
        environ = {'PATH': str(applets)}
        program = [str(applets / 'sh')]

    def run(resource, **variables):
        stage = tmp_path_factory.mktemp('stage')

        def bring(content):
            path = stage / str(len(list(stage.iterdir())))
            path.write_bytes(content)
            return str(path)

        script = _scripts.Script({}, bring)
        script.apply(resource)
        lines = [*(line for each in script.functions.values() for line in each), *script.lines]
        done = subprocess.run(
            [*program, '-euc', '\n'.join(lines)],
            env={**environ, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        return done.returncode, done.stdout.decode(errors='replace')

    run.path = environ['PATH']
    return run


@pytest.fixture(scope='session')
def path(tmp_path_factory):
    return tmp_path_factory.mktemp('files') / "it's a $file"


many = hypothesis.settings(max_examples=60, deadline=None)
PATTERNS = strategies.lists(
    strategies.sampled_from(
        [
            *('a', 'b', '.', r'\.', '[0-9]', '[^A-Z]', '[ab]', '[^a]', '[]^-]', '[^]^]', r'\^'),
            *(r'\\', r'\$', '[$.]', '(a|b)', '(a)?', '(^a|b)', '(b$|a)', 'x*', 'a+', '(^)', '$a'),
            *('(ab){2,3}', '[a-c-]', 'a{0,1}', r'\[', '[[]', r'\{', '/', '"', "'", ' ', '{', '?'),
            *('é', '(é)?', 'x{2}', '(Ab)+', '|', r'\+', '^', '$', '&', '#', '%s', '[/]', r'\/'),
        ]
    ),
    max_size=4,
).map(''.join)
LINES = strategies.text('ab.^\\$-]x1 _[/"\'{+A%&#', max_size=6)


def expected(lines, pattern, line=None):
    """What Python makes of it."""
    matches = [bool(re.search(pattern, each, re.ASCII)) for each in lines]
    if line is None:
        return [each for each, matched in zip(lines, matches, strict=True) if not matched]
    if True not in matches:
        return [*lines, line]
    first = matches.index(True)
    return [*lines[:first], line, *lines[first + 1 :]]


@hypothesis.given(
    PATTERNS, strategies.lists(LINES, max_size=8), strategies.text('aé\\&%s$', max_size=5)
)
@many
@pytest.mark.filterwarnings('ignore:Possible nested set')
def test_line_replaces_the_first_match_or_is_added(shell, path, pattern, lines, line):
    try:
        resource = resources.Line(name=str(path), match=pattern, line=line)
    except ValueError:
        hypothesis.reject()
    path.write_text(''.join(f'{each}\n' for each in lines))
    assert shell(resource) == (0, '')
    assert path.read_text().split('\n')[:-1] == expected(lines, pattern, line)


@hypothesis.given(PATTERNS, strategies.lists(LINES, min_size=1, max_size=8))
@many
@pytest.mark.filterwarnings('ignore:Possible nested set')
def test_line_removes_all_matches(shell, path, pattern, lines):
    try:
        resource = resources.Line(name=str(path), match=pattern, policy='remove')
    except ValueError:
        hypothesis.reject()
    path.write_text(''.join(f'{each}\n' for each in lines))
    assert shell(resource) == (0, '')
    assert path.read_text().split('\n')[:-1] == expected(lines, pattern)


@pytest.mark.parametrize(
    ('before', 'after'),
    [
        ('a\nport 1\nb', 'a\nport 2\nb'),
        ('a\nport 1', 'a\nport 2'),
        ('a\nport 1\n', 'a\nport 2\n'),
        ('a', 'a\nport 2\n'),
        ('', 'port 2\n'),
        ('\n', '\nport 2\n'),
        ('a\r\nport 1\r\nb\r\n', 'a\r\nport 2\nb\r\n'),
        ('port 1\nport 3\n', 'port 2\nport 3\n'),
        ('x' * 200_000 + '\nport 1\n', 'x' * 200_000 + '\nport 2\n'),
    ],
)
def test_line_keeps_what_ends_the_file_and_other_lines(shell, path, before, after):
    path.write_bytes(before.encode())
    assert shell(resources.Line(name=str(path), match='^port', line='port 2')) == (0, '')
    assert path.read_bytes() == after.encode()


def test_line_ends_as_linesep_says(shell, path):
    path.write_bytes(b'a\r\nport 1\r\n')
    line = resources.Line(name=str(path), match='^port 1$', line='port 2', linesep='\r\n')
    assert shell(line) == (0, '')
    assert path.read_bytes() == b'a\r\nport 2\r\n'


def test_a_file_with_the_line_is_left_alone(shell, path):
    path.write_bytes(b'a\nport 2')
    before = path.stat()
    assert shell(resources.Line(name=str(path), match='^port', line='port 2')) == (0, '')
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    assert sorted(path.parent.iterdir()) == [path]


def test_line_keeps_bytes_that_are_no_text(shell, path):
    path.write_bytes(b'\xff\xfe\x81\x88\nport 1\n\x80')
    assert shell(resources.Line(name=str(path), match='^port', line='port 2')) == (0, '')
    assert path.read_bytes() == b'\xff\xfe\x81\x88\nport 2\n\x80'


def test_a_sensitive_line_is_not_in_the_script(shell, path):
    path.write_text('token=\n')
    line = resources.Line(name=str(path), match='^token', line=' s3cr$t\\ ', sensitive=True)
    assert shell(line) == (0, '')
    assert path.read_text() == ' s3cr$t\\ \n'
    script = _scripts.Script({}, lambda content: '/staged')
    script.apply(line)
    assert 's3cr' not in '\n'.join(script.lines)


def test_a_line_of_no_file_is_refused(shell, path):
    status, output = shell(resources.Line(name=f'{path} none', match='a', line='b'))
    assert status == 1
    assert output == f'{path} none is not a file\n'


def test_a_link_says_exactly_what_it_was_given(shell, tmp_path):
    support.require_root('only root can give files to root')
    for number, to in enumerate(['-n', 'a b', 'lines\n\n', '$HOME', "it's", '/']):
        link = resources.Link(name=f'{tmp_path}/{number}', to=to)
        for _ in range(2):
            assert shell(link) == (0, '')
            assert str((tmp_path / str(number)).readlink()) == to


def test_a_link_replaces_a_file_and_no_directory(shell, tmp_path):
    support.require_root('only root can give files to root')
    (tmp_path / 'file').write_text('x')
    (tmp_path / 'directory').mkdir()
    assert shell(resources.Link(name=f'{tmp_path}/file', to='/new')) == (0, '')
    assert str((tmp_path / 'file').readlink()) == '/new'
    status, output = shell(resources.Link(name=f'{tmp_path}/directory', to='/new'))
    assert (status, output) == (1, f'{tmp_path}/directory is a directory\n')
    status, _ = shell(resources.Link(name=f'{tmp_path}/file', policy='remove'))
    assert status == 0
    assert not (tmp_path / 'file').is_symlink()
    status, output = shell(resources.Link(name=f'{tmp_path}/directory', policy='remove'))
    assert (status, output) == (1, f'{tmp_path}/directory is not a symbolic link\n')


def test_directories_are_removed_empty_or_with_all_in_them(shell, tmp_path):
    (tmp_path / 'a/b').mkdir(parents=True)
    status, _ = shell(resources.Directory(name=f'{tmp_path}/a', policy='remove'))
    assert status == 1
    everything = resources.Directory(name=f'{tmp_path}/a', policy='remove-recursive')
    assert shell(everything) == shell(everything) == (0, '')
    assert not (tmp_path / 'a').exists()


def test_a_directory_without_its_parent_is_refused_and_with_parents_made(shell, tmp_path):
    support.require_root('only root can give files to root')
    status, _ = shell(resources.Directory(name=f'{tmp_path}/a/b', mode='700'))
    assert status != 0
    made = resources.Directory(name=f'{tmp_path}/a/b', mode='700', parents=True)
    assert shell(made) == (0, '')
    assert (tmp_path / 'a/b').stat().st_mode & 0o7777 == 0o700
    assert (tmp_path / 'a').stat().st_mode & 0o7777 == 0o700


def test_a_file_without_contents_keeps_those_it_has(shell, tmp_path):
    support.require_root('only root can give files to root')
    (tmp_path / 'there').write_text('kept')
    for name in ('there', 'new'):
        assert shell(resources.File(name=f'{tmp_path}/{name}', mode='640')) == (0, '')
        assert (tmp_path / name).stat().st_mode & 0o7777 == 0o640
    assert (tmp_path / 'there').read_text() == 'kept'
    assert (tmp_path / 'new').read_text() == ''
    gone = resources.File(name=f'{tmp_path}/there', policy='remove')
    assert shell(gone) == shell(gone) == (0, '')
    assert not (tmp_path / 'there').exists()


AWKWARD = strategies.text(
    strategies.one_of(
        strategies.sampled_from('\\\'"$`\n <>#*&;|'),
        strategies.characters(exclude_categories=['Cs'], exclude_characters='\0'),
    ),
    max_size=10,
)


@hypothesis.given(strategies.lists(AWKWARD, max_size=4), AWKWARD)
@many
def test_a_command_is_given_its_words_and_variables_unchanged(shell, words, value):
    program = 'printf "<%s>" "$@" "$VALUE"'
    command = resources.Execute(
        command=['sh', '-c', program, 'sh', *words], env={'VALUE': value}, cwd='/tmp'
    )
    wanted = ''.join(f'<{each}>' for each in [*words, value])
    assert shell(command) == (0, wanted)


def test_a_command_sees_the_images_variables_but_none_of_the_scripts(shell):
    status, output = shell(
        resources.Execute(command='env', env={'OWN': 'x'}, unless='false', user=0), IMAGE='y'
    )
    names = {line.partition('=')[0] for line in output.split()}
    assert status == 0
    assert names - {'_', 'PWD', 'OLDPWD', 'SHLVL'} == {'PATH', 'OWN', 'IMAGE'}


#: What apk 2 does, with lib, which app needs, and other installed.
APK = """#!/bin/sh
case $1 in
info) for name in app lib other; do grep -Fqx "$name" "$0.gone" || echo "$name"; done ;;
del)
    shift
    for name; do
        case $name in
        -*) ;;
        lib) echo "World updated, but the following packages are not removed due to:  lib: app" ;;
        app | other) echo "$name" >>"$0.gone" ;;
        *) echo "ERROR: No such package: $name"; exit 1 ;;
        esac
    done ;;
esac
"""


@pytest.fixture
def apk(shell, tmp_path):
    """Runs the script of a resource where apk is the package manager."""
    (tmp_path / 'apk').write_text(APK)
    (tmp_path / 'apk').chmod(0o755)
    (tmp_path / 'apk.gone').write_text('')
    return lambda resource: shell(resource, PATH=f'{tmp_path}:{shell.path}')


def test_apk_removes_what_is_there_and_leaves_out_what_is_not(apk, tmp_path):
    assert apk(resources.Package(name='other', policy='remove', backend='apk')) == (0, '')
    assert (tmp_path / 'apk.gone').read_text() == 'other\n'
    for absent in ('other', 'li', 'l.b'):
        gone = resources.Package(name=absent, policy='remove', backend='apk')
        assert apk(gone) == (0, '')
    assert (tmp_path / 'apk.gone').read_text() == 'other\n'


def test_apk_that_keeps_a_package_since_another_one_needs_it_is_an_error(apk):
    status, output = apk(resources.Package(name='lib', policy='remove', backend='apk'))
    assert status == 1
    assert 'not removed due to:  lib: app' in output
    assert output.splitlines()[-1] == 'apk did not remove lib'


@pytest.mark.parametrize(('version', 'weak'), [('3.4.3', ''), ('4.14.0', '0'), ('dnf5 5.2', '0')])
def test_a_yum_that_is_dnf_installs_no_weak_dependencies(shell, tmp_path, version, weak):
    yum = f'''#!/bin/sh
case $1 in --version) echo "{version}" ;; install) echo "$@" ;; esac
'''
    (tmp_path / 'yum').write_text(yum)
    (tmp_path / 'yum').chmod(0o755)
    (tmp_path / 'rm').write_text('#!/bin/sh\n')  # of this machine's caches
    (tmp_path / 'rm').chmod(0o755)
    package = resources.Package(name='hello', backend='yum')
    setting = ' --setopt=install_weak_deps=0' if weak else ''
    assert shell(package, PATH=f'{tmp_path}:{shell.path}') == (
        0,
        f'install -y{setting} hello\n',
    )
