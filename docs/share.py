"""Write the commands' manual pages and completions, from their parsers, below tools/*/share/.

pip installs them beside the commands: `man charm-unit` finds the page of one in ~/.local, and so
does bash-completion. `--check` writes nothing, and fails if a file is out of date.
"""

import argparse
import os
import pathlib
import sys

import argparse_manpage.manpage
import shtab

from charm_image._commands import arguments, charm_arguments, revisions_arguments
from charm_unit._commands import cli

ROOT = pathlib.Path(__file__).resolve().parents[1]
COMMANDS = {
    'charm-image': (arguments, charm_arguments, revisions_arguments),
    'charm-unit': (cli,),
}
"""The distributions, and the modules with the parsers of their commands."""
_PATHS = ('PATH', 'FILE', 'DIGEST', 'CHARM', 'BUILT_CHARM', 'OLDER_BUILD', 'INTERPRETER')
"""What arguments are called that may be paths."""


def files():
    """Return the content of each file, by its path in the repository."""
    found = {}
    for distribution, modules in COMMANDS.items():
        share = pathlib.Path('tools', distribution, 'share')
        for module in modules:
            parser = module.parser()
            name = parser.prog
            _complete_paths(parser)
            found[share / 'man' / 'man1' / f'{name}.1'] = _manual(parser, distribution)
            completion = shtab.complete(parser, 'bash')
            found[share / 'bash-completion' / 'completions' / name] = completion
            completion = shtab.complete(parser, 'zsh')
            found[share / 'zsh' / 'site-functions' / f'_{name}'] = completion
    return found


def _complete_paths(parser):
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                _complete_paths(command)
        elif action.metavar in _PATHS:
            action.complete = shtab.FILE


def _manual(parser, distribution):
    about = {
        'project_name': distribution,
        'description': parser.description.partition('\n')[0].rstrip('.'),
        'manual_title': 'Commands for authors of charms',
        # of no day, so that it changes only with its parser
        'date': 'docker-resource',
    }
    sections = _sections(parser.epilog or '')
    parser.epilog = None
    page = argparse_manpage.manpage.Manpage(parser, about, 'single-commands-section')
    for heading, lines in sections.items():
        text = '\n'.join(line.replace('\\', '\\e').replace('-', '\\-') for line in lines)
        page.add_section(heading, '=', f'.nf\n{text}\n.fi')
    return str(page)


def _sections(epilog):
    """Return the indented lines of an epilog by the heading above them; others are its notes."""
    sections = {}
    heading = 'notes'
    for line in epilog.splitlines():
        if line.endswith(':') and not line.startswith(' '):
            heading = line.rstrip(':')
        elif line:
            sections.setdefault(heading, []).append(line)
    return sections


def main():
    """Write them, or check them; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument('--write', action='store_true', help='write the files (default)')
    choice.add_argument('--check', action='store_true', help='write nothing, fail if one differs')
    check = parser.parse_args().check
    os.environ['COLUMNS'] = '80'  # argparse wraps usage at the terminal's width
    outdated = []
    for path, content in files().items():
        whole = ROOT / path
        if whole.exists() and whole.read_text() == content:
            continue
        outdated.append(str(path))
        if not check:
            whole.parent.mkdir(parents=True, exist_ok=True)
            whole.write_text(content)
    if check and outdated:
        print(f'out of date: {", ".join(outdated)}: run `./dev docs`', file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
