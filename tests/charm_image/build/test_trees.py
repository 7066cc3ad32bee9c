"""Directories that are copied: what is in them, without an engine."""

import io
import os
import pathlib
import socket
import stat
import tarfile

import pytest

import charm_image
import support
from charm_image import resources
from support.bundles import bundle_of, dockerfile_of


def tree(root, *paths):
    for path in paths:
        file = pathlib.Path(root, path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(path)


def copied(*made):
    """What the context has below the directory that is copied, by path."""
    builder = charm_image.DockerBuilder(bundle_of(*made))
    with tarfile.open(fileobj=io.BytesIO(builder.context())) as tar:
        return {each.name.split('/', 2)[-1]: each for each in tar if each.name.count('/') > 1}


def test_a_tree_is_one_copy_with_its_links_and_modes(tmp_path):
    tree(tmp_path, 'app/main.py', 'app/sub/run.sh')
    (tmp_path / 'app/sub/run.sh').chmod(0o750)
    (tmp_path / 'app/sub').chmod(0o700)
    (tmp_path / 'app/current').symlink_to('sub/run.sh')
    (tmp_path / 'app/absent').symlink_to('/nowhere')
    directory = resources.Directory(name='/srv/web', source=tmp_path / 'app')
    members = copied(directory)
    assert [line for line in dockerfile_of(directory).splitlines() if 'COPY' in line] == [
        line for line in dockerfile_of(directory).splitlines() if line.endswith(' /srv/')
    ]
    assert set(members) == {
        *('web', 'web/main.py', 'web/sub', 'web/sub/run.sh', 'web/current', 'web/absent')
    }
    assert (members['web/sub'].isdir(), members['web/sub'].mode) == (True, 0o700)
    assert members['web/sub/run.sh'].mode == 0o750
    assert members['web/current'].linkname == 'sub/run.sh'
    assert members['web/absent'].linkname == '/nowhere'
    given = copied(
        resources.Directory(
            name='/srv/web', source=tmp_path / 'app', mode='640', directory_mode=0o750
        )
    )
    assert {given['web'].mode, given['web/sub'].mode} == {0o750}
    assert {given['web/main.py'].mode, given['web/sub/run.sh'].mode} == {0o640}


def test_a_tree_is_the_same_whatever_its_times(tmp_path):
    def context(folder, names):
        tree(folder, *names)
        made = resources.Directory(name='/a', source=folder, mode='644', directory_mode='755')
        return charm_image.DockerBuilder(bundle_of(made)).context()

    first = context(tmp_path / '1', ['b/c', 'a', 'd'])
    second = context(tmp_path / '2', ['d', 'a', 'b/c'])
    os.utime(tmp_path / '2/a', (5, 5))
    assert first == second


IGNORED = [
    (['*.pyc'], 'a.pyc', True),
    (['*.pyc'], 'sub/a.pyc', False),
    (['**/*.pyc'], 'a.pyc', True),
    (['**/*.pyc'], 'x/sub/a.pyc', True),
    (['**/__pycache__'], '__pycache__/x', True),
    (['**/__pycache__'], 'a/b/__pycache__/x/y', True),
    (['.git'], '.git/HEAD', True),
    (['.git'], 'sub/.git/HEAD', False),
    (['/docs/'], 'docs/a', True),
    (['docs/**/x'], 'docs/a/b/x', True),
    (['docs/**/x'], 'docs/x', True),
    (['docs/**'], 'docs/x', True),
    (['a?c'], 'abc', True),
    (['a?c'], 'a/c', False),
    (['[a-c]x'], 'bx', True),
    (['[^a-c]x'], 'bx', False),
    ([r'\*x'], '*x', True),
    ([r'\*x'], 'ax', False),
    (['a.b'], 'aXb', False),
    (['*', '!keep'], 'keep', False),
    (['*', '!keep'], 'drop', True),
    (['docs', '!docs/keep'], 'docs/keep', False),
    (['docs', '!docs/keep'], 'docs/drop', True),
    (['!keep', '*'], 'keep', True),
    (['./a/../b'], 'b', True),
    (['.'], 'a', False),
]


@pytest.mark.parametrize(('patterns', 'path', 'gone'), IGNORED)
def test_a_pattern_excludes_what_it_would_in_a_dockerignore_file(tmp_path, patterns, path, gone):
    tree(tmp_path, path, 'other file')
    members = copied(resources.Directory(name='/t', source=tmp_path, exclude=patterns))
    assert (f't/{path}' not in members) == gone
    if not gone:  # with the directories above it
        above = [str(each) for each in pathlib.PurePath('t', path).parents][:-1]
        assert all(members[each].isdir() for each in above)


def test_a_dockerignore_file_is_heeded_only_if_asked(tmp_path):
    tree(tmp_path, 'kept', 'secret', 'more')
    (tmp_path / '.dockerignore').write_text('# comment\n\n secret \nmore\n')
    assert 't/secret' in copied(resources.Directory(name='/t', source=tmp_path))
    members = copied(
        resources.Directory(name='/t', source=tmp_path, dockerignore=True, exclude=['!more'])
    )
    assert {'t/kept', 't/more', 't/.dockerignore'} < set(members)
    assert 't/secret' not in members


def test_a_tree_that_cannot_be_copied_is_named(tmp_path):
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(f'{tmp_path}/socket')
        with pytest.raises(charm_image.ResourceError, match='/socket is not a file, a directory'):
            resources.Directory(name='/t', source=tmp_path)
        assert copied(resources.Directory(name='/t', source=tmp_path, exclude=['socket']))
    (tmp_path / 'socket').unlink()
    pathlib.Path(os.fsdecode(os.fsencode(tmp_path) + b'/\xff')).write_text('')
    with pytest.raises(charm_image.ResourceError, match='is not valid UTF-8'):
        resources.Directory(name='/t', source=tmp_path)


@pytest.mark.filterwarnings('ignore:.*multi-threaded:DeprecationWarning')
def test_a_tree_that_may_not_be_read_is_named(tmp_path):
    support.require_root('only root can become somebody else')
    tree(tmp_path, 'a', 'locked/b')
    for path in (tmp_path, *tmp_path.parents):
        if path.name.startswith(('pytest-', 'popen-')) or path == tmp_path:
            path.chmod(0o755)
    (tmp_path / 'a').chmod(0o600)
    (tmp_path / 'locked').chmod(0o700)
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.setresuid(65534, 65534, 65534)
        said = ''
        for excluded in (['locked'], ['a'], ['a', 'locked']):
            try:
                resources.Directory(name='/t', source=tmp_path, exclude=excluded)
                said += 'all read\n'
            except charm_image.ResourceError as error:
                said += f'{error}\n'
        os.write(write, said.encode())
        os._exit(0)
    os.waitpid(child, 0)
    file, directory, neither = os.read(read, 10_000).decode().splitlines()
    assert f'no permission to read {tmp_path}/a' in file
    assert f'no permission to read {tmp_path}/locked' in directory
    assert neither == 'all read'


def test_setuid_files_of_a_tree_keep_their_bits(tmp_path):
    tree(tmp_path, 'tool')
    (tmp_path / 'tool').chmod(0o4755)
    written = dockerfile_of(resources.Directory(name='/opt', source=tmp_path))
    assert 'chmod 4755 /opt/tool' in written


def test_a_kept_context_has_the_tree(tmp_path):
    tree(tmp_path, 'app/a', 'app/sub/b')
    (tmp_path / 'app/link').symlink_to('a')
    (tmp_path / 'app/sub').chmod(0o550)
    made = resources.Directory(name='/srv/app', source=tmp_path / 'app')
    charm_image.DockerBuilder(bundle_of(made)).write_context(tmp_path / 'kept')
    [top] = (tmp_path / 'kept/files').iterdir()
    assert (top / 'app/sub/b').read_text() == 'app/sub/b'
    assert stat.S_IMODE((top / 'app/sub').stat().st_mode) == 0o550
    assert os.readlink(top / 'app/link') == 'a'


def test_a_copy_from_another_image_names_it(tmp_path):
    written = dockerfile_of(
        resources.File(name='/usr/bin/tool', source='/bin/tool', from_image='org/tool:1'),
        resources.Directory(name='/opt', source='/srv/opt', from_image='tool', owner=5, group=6),
        resources.File(name='/x', source='/x', from_image='tool', mode='700'),
    )
    assert 'COPY --from=org/tool:1 ["/bin/tool", "/usr/bin/tool"]' in written
    assert 'COPY --from=tool --chown=5:6 ["/srv/opt/", "/opt/"]' in written
    assert 'chmod 0700 /x' in written
