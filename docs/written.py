"""What programs do that write files of this repository from code: write them, or check them."""

from __future__ import annotations

import argparse
import pathlib
import sys
from collections.abc import Mapping


def main(description: str, files: Mapping[pathlib.Path, str], root: pathlib.Path) -> int:
    """Write what differs of the files, or with `--check` only say so; return the exit status."""
    parser = argparse.ArgumentParser(description=description.partition('\n')[0])
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument('--write', action='store_true', help='write the files (default)')
    choice.add_argument('--check', action='store_true', help='write nothing, fail if one differs')
    args = parser.parse_args()
    stale = {
        path: content
        for path, content in files.items()
        if not path.exists() or path.read_text() != content
    }
    for path, content in stale.items():
        where = path.relative_to(root)
        if args.check:
            print(f'{where} is out of date: run `./dev docs`', file=sys.stderr)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
            print(f'Wrote {where}')
    return int(args.check and bool(stale))
