"""Draws docs/bench/*.svg from the figures in docs/bench/*.json, reproducibly.

Each picture shows one thing: how long each way takes for the same work, and the ratio of what is
shown to that of the first way of its group. Beside each, NAME-narrow.svg is for small screens.
`--check` draws nothing, and fails if a picture is out of date.
"""

import argparse
import dataclasses
import io
import json
import pathlib
import statistics
import sys
import textwrap

import figures
import matplotlib
import matplotlib.figure
import matplotlib.ticker

DIRECTORY = figures.ROOT / 'docs' / 'bench'
# Okabe and Ito's colours, which are distinct for colour-blind readers, and in greyscale
OURS, OTHER = '#0072b2', '#e69f00'
INK, FAINT = '#222222', '#666666'
_HEIGHT, _GROUP = 0.27, 0.42  # inches: of a bar, of a heading
_WIDTHS = {'': 8.0, '-narrow': 5.2}  # inches, by what the name of a picture ends in
_NAMES = 2.3  # inches, for the names of bars
_FIGURES = 1.3  # inches, for the text behind the longest bar

matplotlib.rcdefaults()  # not what the user has configured
matplotlib.rcParams.update(
    {
        'svg.hashsalt': 'docker-resource',  # makes IDs reproducible
        'svg.fonttype': 'none',  # text stays text, in the reader's font
        'font.family': 'sans-serif',
        'font.size': 10,
        'text.color': INK,
        'axes.edgecolor': FAINT,
        'xtick.color': FAINT,
    }
)


@dataclasses.dataclass(frozen=True)
class Bar:
    """The duration of one way, ours or another."""

    name: str
    seconds: float
    ours: bool = False


@dataclasses.dataclass(frozen=True)
class Picture:
    """A title, the unit of the axis, groups of bars by heading, and how they were measured."""

    title: str
    axis: str
    groups: dict
    measured: str


def _by_stage(content, case, title, stages, ways):
    rows = [row for row in content['costs'] if row['case'] == case]
    groups = {heading: _medians(rows, stage, ways) for stage, heading in stages.items()}
    return Picture(title, 'seconds', groups, _rounds(rows))


def upload(content):
    """Uploads of an image from an engine, with each program; edits from other engines as well."""
    ways = {
        'ours': 'charm-upload-resource',
        'charmcraft==4.5.0': 'charmcraft 4.5.0',
        'skopeo copy': 'skopeo copy',
        'docker push': 'docker push',
    }
    stages = {
        'first': 'First upload',
        'edit': 'After an edit of 1 MB',
        'again': 'Again, unchanged',
    }
    picture = _by_stage(
        content,
        'docker, 500 MB in 5 layers',
        'Upload an image of 500 MB from Docker 20.10',
        stages,
        ways,
    )
    # Beside them the least that reading the whole image takes.
    ways = {'ours': 'charm-upload-resource', 'floor: the export': 'the export alone'}
    for kind, engine in (
        ('trixie-docker-containerd', "containerd's store"),
        ('podman', 'podman'),
    ):
        rows = [row for row in content['costs'] if row['case'] == f'{kind}, 500 MB in 5 layers']
        picture.groups[f'An edit of 1 MB, from {engine}'] = _medians(rows, 'edit', ways)
    return picture


def build(content):
    """Builds of the same image: from resources, from a Dockerfile and with pyinfra."""
    ways = {
        'ours': 'charm-image',
        'by hand': 'Dockerfile written by hand',
        'pyinfra': 'pyinfra @docker',
    }
    stages = {
        'first': 'First build',
        'unchanged': 'Again, unchanged',
        'last file changed': 'After a change of the last file',
        'first file changed': 'After a change of the first file',
    }
    return _by_stage(
        content,
        'buildkit',
        'Build an image of 2 packages, a user and 5 files, with BuildKit',
        stages,
        ways,
    )


def hooks(content):
    """The hooks of a charm with and without the layer."""
    groups, runs = {}, []
    for case, images, heading in (
        ('idle hook', 10, 'A hook with nothing to do, 10 images'),
        ('install hook', 1, 'The install hook, which reads 1 image'),
        ('install hook', 10, 'The install hook, which reads 10 images'),
    ):
        without, with_it = (
            row['cpu']
            for way in ('without the layer', 'with the layer')
            for row in content['costs']
            if (row['case'], row['images'], row['way']) == (case, images, way)
        )
        groups[heading] = [
            Bar('the charm without the layer', min(without)),
            Bar('with the layer', min(with_it), ours=True),
        ]
        runs.append(f'{len(with_it)} {case}s')
    return Picture(
        'What the layer adds to the hooks of a charm',
        'seconds of CPU',
        groups,
        f'lowest of {runs[0]} and of {runs[-1]}',
    )


PICTURES = {draw.__name__: draw for draw in (upload, build, hooks)}


def _medians(rows, stage, ways):
    """Return the bars of a stage, ours first."""
    found = {row['way']: row for row in rows if row['stage'] == stage}
    return [
        Bar(name, statistics.median(found[way]['seconds']), way == 'ours')
        for way, name in ways.items()
        if way in found
    ]


def _rounds(rows):
    number = len(rows[0]['seconds'])
    return f'medians of {number} rounds' if number > 1 else '1 round'


def where(content):
    """Return the machine and the versions of a measurement, as a line."""
    machine = content['machine']
    processors = f'{machine["processors"]} processors ({machine["architecture"]})'
    return ', '.join([processors, machine['system'], *content['versions']])


def svg(picture, content, width=_WIDTHS['']):
    """Return a picture of this width, in inches, as SVG."""
    letters = int(width * 8.5)  # of the title on a line
    title = textwrap.wrap(picture.title, letters)
    footer = [
        f'{content["date"]}, {picture.measured}',
        *textwrap.wrap(where(content), letters * 2),
    ]
    head, foot = 0.15 + 0.25 * len(title), 0.82 + 0.16 * len(footer)
    bars = sum(map(len, picture.groups.values()))
    middle = bars * _HEIGHT + len(picture.groups) * _GROUP
    height = head + middle + foot
    figure = matplotlib.figure.Figure(figsize=(width, height), facecolor='white')
    room = width - _NAMES - 0.3
    axes = figure.add_axes((_NAMES / width, foot / height, room / width, middle / height))
    longest = max(bar.seconds for group in picture.groups.values() for bar in group)
    axes.set_xlim(0, longest * room / (room - _FIGURES))
    axes.set_ylim(middle, 0)
    axes.set_yticks([])
    axes.xaxis.set_major_locator(matplotlib.ticker.MaxNLocator(8 if width > 6 else 4))
    axes.set_xlabel(f'{picture.axis}\n×: times the first of its group', loc='left')
    axes.xaxis.label.set_color(FAINT)
    axes.grid(axis='x', color='#dddddd', linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ('top', 'right', 'left'):
        axes.spines[side].set_visible(False)
    _draw(axes, picture.groups)
    title = '\n'.join(title)
    figure.text(
        0.1 / width, 1 - 0.1 / height, title, va='top', fontsize=13, weight='bold', linespacing=1.2
    )
    footer = '\n'.join(footer)
    figure.text(0.1 / width, 0.1 / height, footer, linespacing=1.5, fontsize=8, color=FAINT)
    written = io.StringIO()
    figure.savefig(written, format='svg', metadata={'Date': None, 'Creator': None})
    return '\n'.join(line.rstrip() for line in written.getvalue().splitlines()) + '\n'


def _short(number):
    """Format a number with three significant digits, but no more than three decimals."""
    return f'{number:.{3 if number < 1 else 2 if number < 10 else 1 if number < 100 else 0}f}'


def _draw(axes, groups):
    """Draw the bars from top to bottom, each between its name and its figures."""
    top = 0.0
    behind = {'textcoords': 'offset points', 'va': 'center', 'annotation_clip': False}
    for heading, group in groups.items():
        top += _GROUP
        axes.annotate(
            heading, (0, top - 0.1), (4, 0), ha='left', weight='bold', fontsize=9, **behind
        )
        for bar in group:
            middle = top + _HEIGHT / 2
            axes.barh(middle, bar.seconds, 0.8 * _HEIGHT, color=OURS if bar.ours else OTHER)
            weight = 'bold' if bar.ours else 'normal'
            axes.annotate(bar.name, (0, middle), (-6, 0), ha='right', weight=weight, **behind)
            told = f'{_short(bar.seconds)} s'
            if bar is not group[0]:
                told += f' · {_short(bar.seconds / group[0].seconds)}×'
            axes.annotate(told, (bar.seconds, middle), (5, 0), ha='left', weight=weight, **behind)
            top += _HEIGHT


def main():
    """Draw or check; return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument('--check', action='store_true', help='fail if a picture is out of date')
    parser.add_argument(
        '--directory', type=pathlib.Path, default=DIRECTORY, help='(default: docs/bench)'
    )
    args = parser.parse_args()
    stale = False
    for name, picture in PICTURES.items():
        content = json.loads((args.directory / f'{name}.json').read_text())
        for ending, width in _WIDTHS.items():
            drawn = svg(picture(content), content, width)
            path = args.directory / f'{name}{ending}.svg'
            if not args.check:
                path.write_text(drawn)
                print(f'{path.name}: {where(content)}')
            elif not path.exists() or path.read_text() != drawn:
                stale = True
                print(f'{path} is out of date: run `./dev bench -- draw`')
    return int(stale)


if __name__ == '__main__':
    sys.exit(main())
