"""Draws what a program showed on a terminal, as SVG, the same bytes each time.

    console = terminal_picture.console()
    console.print(…)
    terminal_picture.write(console, path, 'what it shows')

It refers to no font, script or picture elsewhere: a forge shows it as it is.
"""

import io

import rich.console

# Rich's own names a font that a browser would have to download.
_FORMAT = """\
<svg xml:space="preserve" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{
    font: {char_height}px ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace;
}}
.{unique_id}-title {{
    font: bold 18px sans-serif;
}}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""
_ASPECT_RATIO = 0.602  # of a character in most of these fonts, in all of them about


def console(width=100):
    """Return a console whose size and colours don't depend on where it runs; it shows nothing."""
    return rich.console.Console(
        file=io.StringIO(),
        record=True,
        width=width,
        height=100,
        force_terminal=True,
        color_system='truecolor',
        legacy_windows=False,
        highlight=False,
        _environ={},
    )


def write(drawn, path, title):
    """Write what was printed to `drawn`, a `console()`, as SVG."""
    svg = drawn.export_svg(
        title=title, code_format=_FORMAT, font_aspect_ratio=_ASPECT_RATIO, unique_id='terminal'
    )
    lines = (line.strip() for line in svg.splitlines())
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('\n'.join(line for line in lines if line) + '\n', encoding='utf-8')
