"""Resources and settings of an image: what is wrong is told with its line."""

import inspect
import pathlib

import docker
import pytest

import charm_image
from charm_image import resources
from support.bundles import bundle_of


def test_a_star_import_brings_the_resources_and_nothing_else():
    names = {}
    exec('from charm_image.resources import *', names)
    del names['__builtins__']
    assert set(names) == set(resources.__all__)
    assert {'File', 'Directory', 'Link', 'Line', 'Execute', 'Package', 'User', 'Group'} < set(
        names
    )
    assert all(issubclass(kind, resources.Resource) for kind in names.values())


@pytest.mark.parametrize('kind', ['Service', 'Mount', 'Checkout', 'Patch', 'Special'])
def test_a_resource_that_cannot_be_used_in_an_image_raises_an_error(kind):
    with pytest.raises(charm_image.ResourceError, match='image') as caught:
        getattr(resources, kind)(name='/x', anything='at all')
    assert kind in str(caught.value)


WRONG = [
    (lambda: resources.File(), "missing a required argument: 'name'"),
    (lambda: resources.File(name='/x', contnets=''), 'did you mean contents?'),
    (lambda: resources.File(name='x'), 'an absolute path'),
    (lambda: resources.File(name='/a/../b'), 'without //, . or ..'),
    (lambda: resources.File(name='/'), 'below /'),
    (lambda: resources.File(name='/' + 'x' * 256), 'too long for a file system'),
    (lambda: resources.File(name='/x\0y'), 'NUL'),
    (lambda: resources.File(name='/\udcff'), 'cannot be encoded as UTF-8'),
    (lambda: resources.File(name=None), 'name must be a str, not None'),
    (
        lambda: resources.File(name='/x', contents='', source='/etc/passwd'),
        'either contents or source',
    ),
    (lambda: resources.File(name='/x', contents=5), 'must be str or bytes, not int'),
    (lambda: resources.File(name='/x', source='/no/such/file'), 'is not a file'),
    (lambda: resources.File(name='/x', source='/etc'), 'use Directory(source='),
    (lambda: resources.File(name='/x', from_image='a'), 'source is missing'),
    (lambda: resources.File(name='/x', source='x', from_image='a'), 'an absolute path'),
    (lambda: resources.File(name='/x', source='/x', from_image='A B'), 'a valid image reference'),
    (lambda: resources.Directory(name='/x', source='/etc/passwd'), 'is not a directory'),
    (lambda: resources.Directory(name='/x', source='/none'), 'does not exist'),
    (lambda: resources.Directory(name='/x', exclude=['a']), 'need source'),
    (lambda: resources.Directory(name='/x', source='/etc/apt', exclude='a'), 'list of patterns'),
    (lambda: resources.Directory(name='/x', source='/etc/apt', exclude=['[']), 'valid pattern'),
    (lambda: resources.Directory(name='/x', source='/etc/apt', parents=True), 'missing parents'),
    (
        lambda: resources.Directory(name='/x', source='/x', from_image='a', mode='644'),
        'no patterns and no modes',
    ),
    (
        lambda: resources.Directory(name='/x', source='/etc/apt', policy='remove'),
        'used with policy remove',
    ),
    (lambda: resources.File(name='/x', mode=644), 'write 0o644'),
    (lambda: resources.File(name='/x', mode='888'), 'octal'),
    (lambda: resources.File(name='/x', mode=0o10000), 'octal'),
    (lambda: resources.File(name='/x', owner='a b'), 'not a valid account name'),
    (lambda: resources.File(name='/x', owner='$USER'), 'not a valid account name'),
    (lambda: resources.File(name='/x', owner=-1), 'number from 0'),
    (lambda: resources.File(name='/x', sensitive='no'), 'True or False'),
    (lambda: resources.File(name='/x', policy='melt'), 'use one of apply, remove'),
    (
        lambda: resources.File(name='/x', policy='remove', contents='x'),
        'cannot be used with policy',
    ),
    (lambda: resources.File(name='/x', watches='/y'), 'list of ids'),
    (
        lambda: resources.Directory(name='/x', policy='remove', mode='755'),
        'cannot be used with policy',
    ),
    (lambda: resources.Link(name='/x'), 'to is missing'),
    (lambda: resources.Line(name='/x', match='a'), 'line is missing'),
    (lambda: resources.Line(name='/x', match='(', line=''), 'not a valid regular expression'),
    (lambda: resources.Line(name='/x', match=r'a\b', line=''), r"'\\b' at 1 has no equivalent"),
    (lambda: resources.Line(name='/x', match=r'a\d', line=''), '`sed -E`: write [0-9]'),
    (lambda: resources.Line(name='/x', match='(?:a)', line=''), '`sed -E`: write ('),
    (lambda: resources.Line(name='/x', match='(?=a)', line=''), "'(?' at 0"),
    (lambda: resources.Line(name='/x', match='a+?', line=''), "'?' at 2"),
    (lambda: resources.Line(name='/x', match='a{,3}', line=''), "'{,' at 1"),
    (lambda: resources.Line(name='/x', match='a{b', line=''), "'{b' at 1"),
    (lambda: resources.Line(name='/x', match=r'(a)\1', line=''), r"'\\1' at 3"),
    (lambda: resources.Line(name='/x', match='(a|)', line=''), "'|)' at 2"),
    (lambda: resources.Line(name='/x', match='|a', line=''), "'|a' at 0"),
    (lambda: resources.Line(name='/x', match='é+', line=''), "'é+' at 0"),
    (lambda: resources.Line(name='/x', match='[aé]', line=''), "'[a' at 0"),
    (lambda: resources.Line(name='/x', match='[[:alpha:]]', line=''), "'[[' at 0"),
    (lambda: resources.Line(name='/x', match=r'[\]]', line=''), "'[\\\\' at 0"),
    (lambda: resources.Line(name='/x', match='a', line='a\n'), 'newline'),
    (lambda: resources.Execute(), 'either command or commands'),
    (lambda: resources.Execute(command='a', commands=['b']), 'either command or commands'),
    (lambda: resources.Execute(command='a "b'), 'No closing quotation'),
    (lambda: resources.Execute(command=''), 'empty'),
    (lambda: resources.Execute(command='-x'), 'the name of a program'),
    (lambda: resources.Execute(commands='a'), 'commands must be a list'),
    (lambda: resources.Execute(command='a', env=['A=b']), 'env must be a dict'),
    (lambda: resources.Execute(command='a', env={'A;B': 'c'}), 'not a valid variable name'),
    (lambda: resources.Execute(command='a', env={'A': 5}), 'env A must be a str, not int'),
    (lambda: resources.Execute(command='a', returncode=256), 'from 0 to 255'),
    (lambda: resources.Execute(command='a', umask='9'), 'octal'),
    (lambda: resources.Package(name=['a', 'b']), 'a Package of each'),
    (lambda: resources.Package(name='a b'), 'not a valid package name'),
    (lambda: resources.Package(name='a-'), 'not a valid package name'),
    (lambda: resources.Package(name='-y'), 'not a valid package name'),
    (lambda: resources.Package(name='a', version='$(id)'), 'not a valid package version'),
    (lambda: resources.Package(name='a', backend='pip'), 'backend must be one of'),
    (lambda: resources.User(name='a:b'), 'not a valid account name'),
    (lambda: resources.User(name='a', fullname='b:c'), 'not contain a colon'),
    (lambda: resources.User(name='a', password='x\ny'), 'not contain a colon, newline'),
    (lambda: resources.User(name='a', gid=1, group='b'), 'either gid or group'),
    (lambda: resources.User(name='a', password='x', disabled_login=True), 'only one of password'),
    (lambda: resources.User(name='a', groups='b'), 'groups must be a list of names, not str'),
    (lambda: resources.User(name='a', groups=None), 'groups must be a list of names, not None'),
    (lambda: resources.File(name='/a', watches=5), 'watches must be a list of ids, not int'),
    (lambda: resources.File(name='/a', policy=['remove']), 'unknown policy'),
    (lambda: resources.Group(name='a', gid='x'), 'number from 0'),
]


@pytest.mark.parametrize(('make', 'said'), WRONG, ids=[said for _, said in WRONG])
def test_a_wrong_argument_is_reported_with_the_line_that_has_it(make, said):
    with pytest.raises(charm_image.ResourceError) as caught:
        make()
    assert said in str(caught.value)
    line = inspect.getsourcelines(make)[1]
    assert str(caught.value).startswith(f'{pathlib.Path(__file__).name}:{line}: ')


@pytest.mark.parametrize(
    ('options', 'said'),
    [
        ({'from_image': 'ubuntu AS x\nRUN id'}, 'not a valid image reference'),
        ({'from_image': '$BASE'}, 'not a valid image reference'),
        ({'from_image': ''}, 'not a valid image reference'),
        ({'tag': 'UPPER'}, 'not a valid image reference'),
        ({'tag': 'a:b:c'}, 'not a valid image reference'),
        ({'tag': f'a@sha256:{64 * "a"}'}, 'must not have a digest'),
        ({'env': ['A=b']}, 'env must be a dict'),
        ({'env': {'A B': 'c'}}, 'not a valid variable name'),
        ({'env': {'A': 'b\0'}}, 'NUL'),
        ({'env': {'A': 1}}, 'must be a str'),
        ({'volumes': '/data'}, 'volumes must be a list'),
        ({'volumes': ['data']}, 'must be an absolute path'),
        ({'volumes': ['/data ']}, 'without surrounding spaces'),
        ({'ports': '80'}, 'ports must be a list'),
        ({'ports': [0]}, 'must be from 1 to 65535'),
        ({'ports': ['90-80']}, 'must be from 1 to 65535'),
        ({'ports': ['80/http']}, 'is not a port such as 80'),
        ({'ports': [True]}, 'must be a str'),
        ({'cmd': 'run me'}, 'cmd must be a list'),
        ({'cmd': ['run', 1]}, 'must be a str'),
        ({'labels': {'a=b': 'c'}}, 'without ='),
        (
            {'labels': {'org.opencontainers.image.authors': 'a'}, 'maintainer': 'b'},
            'only one of them',
        ),
        ({'platform': 'linux/amd64 x'}, 'linux/arm64'),
        ({'maintainer': 5}, 'must be a str'),
        ({'platform': 'linux/arm65'}, 'did you mean linux/arm64?'),
        ({'entrypoint': 'run me'}, 'entrypoint must be a list'),
        ({'workdir': 'srv'}, 'must be an absolute path'),
        ({'workdir': '/a\nRUN id'}, 'printable'),
        ({'user': 'a\nRUN id'}, 'USER:GROUP'),
        ({'user': True}, 'must be a str'),
        ({'user': ''}, 'USER:GROUP'),
        ({'stop_signal': 'KILLER'}, 'is not a signal'),
        ({'stop_signal': 65}, 'is not a signal'),
        ({'pull': 'yes'}, 'True or False'),
        ({'no_cache': 1}, 'True or False'),
        ({'client': docker.DockerClient('tcp://localhost:1', version='1.41')}, 'pass its .api'),
        ({'output': 5}, 'must be a str'),
        ({'output': '/'}, 'must be the path of a file'),
        ({'output': '/absent/image.tar'}, 'an existing directory'),
    ],
)
def test_a_wrong_setting_of_an_image_is_refused(options, said):
    with pytest.raises(charm_image.ResourceError) as caught:
        charm_image.DockerBuilder(bundle_of(), **options)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ('command', 'part'),
    [
        ('echo hi > /greeting', '>'),
        ('echo hi >> /greeting', '>>'),
        ('cat </etc/passwd', '<'),
        ('cat a | wc', '|'),
        ('make && make install', '&&'),
        ('make || true', '||'),
        ('a; b', ';'),
        ('serve &', '&'),
        ('rm /tmp/*', '*'),
        ('ls /tmp/?', '?'),
        ('ls /tmp/[ab]', '[ab]'),
        ('echo $(id)', '$('),
        ('echo "$(id)"', '$('),
        ('echo `id`', '`'),
        ('echo $HOME', '$HOME'),
        ('echo "${HOME}"', '${'),
        ('make\nmake install', '\\n'),
        ('sh -c "echo hi" >/greeting', '>'),
    ],
)
def test_a_command_that_needs_a_shell_is_refused_with_both_ways_to_write_it(command, part):
    for given in ({'command': command}, {'commands': ['true', command]}, {'command': command}):
        with pytest.raises(charm_image.ResourceError) as caught:
            resources.Execute(**given)
        said = str(caught.value)
        assert f"which '{part}' needs" in said
        assert f"command=['sh', '-c', {command!r}]" in said
        assert 'give the words: command=[' in said


@pytest.mark.parametrize(
    'command',
    [
        "echo 'a > b | c && d; $(e) *'",
        'echo "a > b | c && d; *" \\; \\* \\$HOME',
        'test [ -f /a ]',
        'awk "{ print 5$ }"',
        "awk '{ print $1 }'",
        'sh -c "echo hi >/greeting && cat /greeting"',
        'sh -ec "echo $HOME $(id)"',
        '\n    make install\n',
        'echo 100% #5 a=b ~ !',
    ],
)
def test_a_command_that_needs_no_shell_is_split_into_words(command):
    assert resources.Execute(command=command).commands[0]
    assert resources.Execute(command=['echo', '*', '>', '$HOME']).commands[0][1] == '*'
    assert resources.Execute(command='true', unless='test -f /a && test -f /b').unless
