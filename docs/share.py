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
import written

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
    """Return the content of each file, by its path."""
    found = {}
    for distribution, modules in COMMANDS.items():
        share = ROOT / 'tools' / distribution / 'share'
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
    os.environ['COLUMNS'] = '80'  # argparse wraps usage at the terminal's width
    return written.main(__doc__, files(), ROOT)


if __name__ == '__main__':
    sys.exit(main())
