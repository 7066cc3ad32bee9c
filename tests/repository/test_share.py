"""What the distributions install beside their commands; docs/share.py writes it."""

import subprocess

import pytest

from support import building

SHARED = {path.name: path for path in (building.ROOT / 'tools').glob('*/share/*/*/*')}
COMPLETE = """
source "$1"
COMP_WORDS=("${@:2}") COMP_CWORD=$(($# - 2)) COMP_LINE="${*:2}" COMP_POINT=${#COMP_LINE}
name=$(complete -p "$2" | sed -E 's/.*-F ([^ ]+).*/\\1/')
"$name" "$2" "${@: -1}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


def _complete(folder, *words):
    """Return what bash proposes for the last of the words."""
    done = subprocess.run(
        ['bash', '-c', COMPLETE, 'bash', SHARED[words[0]], *words],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert done.stderr == ''
    return done.stdout.split()


@pytest.mark.parametrize(
    ('words', 'proposed'),
    [
        (('charm-unit', 'ch'), {'check'}),
        (('charm-unit', 'check', '--no'), {'--no-preload'}),
        (('charm-unit', 'check', '--format', 'j'), {'json'}),
        (('charm-unit', 'check', 'my-'), {'my-charm'}),
        (('charm-upload-resource', '--re'), {'--resume', '--review-timeout'}),
        (('charm-upload-resource', 'my-charm', 'x', '--filepath', 'my-'), {'my-charm'}),
    ],
)
def test_completion_proposes_commands_options_choices_and_paths(tmp_path, words, proposed):
    (tmp_path / 'my-charm').mkdir()
    assert set(_complete(tmp_path, *words)) == proposed


def test_manual_page_has_the_sections_that_a_reader_looks_for():
    page = SHARED['charm-upload-resource.1'].read_text()
    sections = [line[4:] for line in page.splitlines() if line.startswith('.SH ')]
    assert sections[:4] == ['NAME', 'SYNOPSIS', 'DESCRIPTION', 'OPTIONS']
    assert {'EXAMPLES', 'ENVIRONMENT', 'EXIT STATUS'} <= set(sections)
