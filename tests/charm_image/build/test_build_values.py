"""Every value that an author gives arrives to the letter, through real engines."""

import hypothesis
import pytest
from hypothesis import strategies

from charm_image import resources

pytestmark = pytest.mark.slow

AWKWARD = [
    'plain',
    ' spaces around ',
    '"quoted" \'twice\' `and again`',
    '$HOME ${HOME} ${X:-y} ${x%y} $(id) $$ $',
    'back\\slash \\ \\\\ \\" \\n \\$HOME end\\',
    'lines\n\n# no comment\n \\\nRUN touch /injected\n',
    '<<EOF <<-"EOF" EOF',
    '["a", "b"] {} [ *?~ ] ! ; & | # %s %',
    'ünïcödé 漢字 \U0001f600 \u00a0\u0085\u2028\ufeff',
    '\t\r\x0b\x0c\x1b[31m\x7f\x01',
    "'",
    '',
    '-n -e --help',
    'a=b c=d',
]
TEXT = strategies.one_of(
    strategies.sampled_from(AWKWARD),
    strategies.text(
        strategies.one_of(
            strategies.sampled_from('\\\'"$`\n <>#={}[]'),
            strategies.characters(exclude_categories=['Cs'], exclude_characters='\0'),
        ),
        max_size=12,
    ),
)


def name_of(text):
    """A file name as awkward as `text`."""
    return text.replace('/', '|').encode()[:200].decode(errors='ignore') or 'empty'


def builds(examples):
    return hypothesis.settings(
        max_examples=examples,
        deadline=None,
        # each example is a build, and a session's engine serves all
        suppress_health_check=list(hypothesis.HealthCheck),
        phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
    )


@hypothesis.example(AWKWARD)
@hypothesis.given(strategies.lists(TEXT, min_size=3, max_size=6))
@builds(2)
def test_settings_of_an_image_arrive_to_the_letter(build, texts):
    env = {f'V{number}': text for number, text in enumerate(texts)}
    labels = {f'label {number}"$X\\': text for number, text in enumerate(texts)}
    volumes = sorted({f'/v/{text.strip()}.' for text in texts})
    built = build(env=env, labels=labels, cmd=texts, volumes=volumes, maintainer=texts[0])
    has = dict(each.split('=', 1) for each in built.config['Env'])
    assert {name: has.get(name) for name in env} == env
    assert {name: built.config['Labels'].get(name) for name in labels} == labels
    assert built.config['Labels']['org.opencontainers.image.authors'] == texts[0]
    assert built.config['Cmd'] == texts
    assert set(built.config['Volumes']) == set(volumes)


@hypothesis.example(AWKWARD)
@hypothesis.given(strategies.lists(TEXT, min_size=3, max_size=6))
@builds(2)
def test_names_contents_targets_arguments_and_lines_arrive_to_the_letter(build, texts):
    lines = [text.replace('\n', ' ') for text in texts]
    names = sorted({name_of(text) for text in texts} - {'.', '..'})
    files = {f'/d/{name}': (name * 2).encode() for name in names}
    files |= {f'/d/below {name}/f': name.encode() + b'\0\xff' for name in names}
    program = 'printf "<%s>" "$@" >/arguments; env -0 >/environment; pwd >/cwd'
    built = build(
        resources.Directory(name='/links'),
        *(resources.File(name=path, contents=content) for path, content in files.items()),
        *(
            resources.Link(name=f'/links/{number}', to=text or 'empty')
            for number, text in enumerate(texts)
        ),
        resources.Execute(
            command=['sh', '-c', program, 'sh', *texts],
            env={f'E{number}': text for number, text in enumerate(texts)},
            cwd=f'/d/below {names[0]}',
        ),
        *(
            resources.Line(name=f'/d/{names[0]}', match=f'^none {number}$', line=line)
            for number, line in enumerate(lines)
        ),
    )
    edited = f'/d/{names[0]}'
    for path, content in files.items():
        if path != edited:
            assert built.contents[path] == content
    for number, text in enumerate(texts):
        assert built.files[f'/links/{number}'].linkname == (text or 'empty')
    assert built.contents['/arguments'] == ''.join(f'<{text}>' for text in texts).encode()
    environment = built.contents['/environment'].split(b'\0')
    for number, text in enumerate(texts):
        assert f'E{number}={text}'.encode() in environment
    assert built.contents['/cwd'] == f'/d/below {names[0]}\n'.encode()
    original = files[edited]
    expected = original if not original or original.endswith(b'\n') else original + b'\n'
    expected += ''.join(f'{line}\n' for line in lines).encode()
    assert built.contents[edited] == expected
    assert '/injected' not in built.files
