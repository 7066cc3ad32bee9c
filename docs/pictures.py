"""Draws docs/way.svg, the way of an image.

    python docs/pictures.py [--check]

`--check` draws nothing, and fails if it is not what would be drawn.
"""

from __future__ import annotations

import html
import pathlib
import sys

import written

PICTURE = pathlib.Path(__file__).resolve().parent / 'way.svg'
_WIDTH = 400  # pixels
_PLACES = (
    ('Your machine', ('build resources in Python', 'image in Docker, podman or a file')),
    ('Charmhub', ('resource revision',)),
    ('Juju model', ('controller', 'handlers of your charm', 'Kubernetes')),
)
_STEPS = (
    ('build', 'fab'),
    ('upload', 'charm-upload-resource'),
    ('', 'juju deploy, juju refresh'),
    ('fetch', 'the layer, in every hook that may change it'),
    ('', 'pod spec'),
)
"""What leads from one box to the next: our part, and what does it."""
_BESIDE = ('or juju attach-resource:', 'a reference, or a file with credentials')
_STYLE = """\
text { font: 15px system-ui, "DejaVu Sans", sans-serif; fill: #222 }
.place { font-weight: bold; fill: #555; text-anchor: end }
.how { font-size: 13px; fill: #555 }
.ours { font-weight: bold; fill: #0072b2 }
.area { fill: #f3f5f7; stroke: none }
.box { fill: #fff; stroke: #888 }
.arrow { stroke: #0072b2; stroke-width: 2; fill: none }
.head { fill: #0072b2 }
"""


def way() -> str:
    """Return the picture, with one place below the other, so that it fits every screen."""
    drawing = _Drawing()
    top, previous, steps = 0, None, iter(_STEPS)
    for place, names in _PLACES:
        beside = _BESIDE if place == 'Juju model' else ()
        y = top + 44 + 18 * len(beside)
        drawing.area(top, y + 88 * len(names) - 48 + 16 - top)
        drawing.text(_WIDTH - 20, top + 28, place, 'place')
        for number, words in enumerate(beside):
            drawing.text(64, top + 26 + 18 * number, words, 'how')
        for name in names:
            if previous is not None:
                drawing.arrow(50, previous + 40, y)
                drawing.step(
                    64, (previous + 40 + (top if name == names[0] else y)) // 2 + 5, next(steps)
                )
            drawing.box(y, name)
            previous = y
            y += 88
        top = y - 88 + 40 + 16 + 32
    return drawing.svg(top - 32)


class _Drawing:
    """An SVG that grows by what is drawn; `x` and `y` are pixels from the upper left."""

    def __init__(self) -> None:
        self._parts: list[str] = []

    def area(self, y: int, height: int) -> None:
        """Draw what is behind the boxes of a place."""
        self._parts.append(
            f'<rect class="area" x="0" y="{y}" width="{_WIDTH}" height="{height}" rx="8"/>'
        )

    def box(self, y: int, name: str) -> None:
        """Draw a box with its name."""
        self._parts.append(
            f'<rect class="box" x="20" y="{y}" width="{_WIDTH - 40}" height="40" rx="6"/>'
        )
        self.text(32, y + 25, name)

    def text(self, x: int, y: int, words: str, kind: str = '') -> None:
        """Write words of a kind that the style knows."""
        kind = f' class="{kind}"' if kind else ''
        self._parts.append(f'<text{kind} x="{x}" y="{y}">{html.escape(words)}</text>')

    def step(self, x: int, y: int, step: tuple[str, str]) -> None:
        """Write what leads from one box to the next."""
        ours, how = step
        words = f'<tspan class="ours">{ours}: </tspan>' if ours else ''
        self._parts.append(f'<text class="how" x="{x}" y="{y}">{words}{html.escape(how)}</text>')

    def arrow(self, x: int, begin: int, end: int) -> None:
        """Draw an arrow downwards."""
        self._parts.append(f'<path class="arrow" d="M{x},{begin} V{end - 2}"/>')
        self._parts.append(
            f'<polygon class="head" points="{x},{end} {x - 6},{end - 10} {x + 6},{end - 10}"/>'
        )

    def svg(self, height: int) -> str:
        """Return the picture."""
        lines = '\n'.join(self._parts)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" '
            f'viewBox="0 0 {_WIDTH} {height}">\n<style>\n{_STYLE}</style>\n'
            f'<rect width="100%" height="100%" fill="#fff"/>\n{lines}\n</svg>\n'
        )


def main() -> int:
    """Draw or check; return the exit status."""
    return written.main(__doc__, {PICTURE: way()}, PICTURE.parents[1])


if __name__ == '__main__':
    sys.exit(main())
