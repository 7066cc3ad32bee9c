"""Writes the parts of the pages in docs/ that follow from code.

That is what can be called, typed and raised.

    python docs/reference.py [--check]

Such a part is between two comments; the first says what it is about: `layer`, `command` and a
parser, `prompt`, `resources`, `class` and a class, or `errors` and a package. All is read from
signatures, docstrings, layer.yaml and the parsers of the commands. `--check` writes nothing, and
fails if a page is not what would be written.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import inspect
import itertools
import pathlib
import re
import sys
from collections.abc import Iterable, Iterator

import written
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[1]
_LAYER = ROOT / 'lib' / 'charms' / 'layer' / 'docker_resource.py'
_PART = re.compile(
    r'(?P<begin><!-- \./dev docs writes (?P<kind>\w+) ?(?P<about>[\w.: -]*) -->\n)'
    r'.*?'
    r'(?P<end><!-- end -->)',
    re.DOTALL,
)
_SECTION = re.compile(r'^(Args|Returns|Raises|Attributes):$')
_ENTRY = re.compile(r'^ {4}([\w.]+): (.*)$')


def pages() -> Iterator[pathlib.Path]:
    """Yield the pages with such parts."""
    for page in sorted((ROOT / 'docs').rglob('*.md')):
        if _PART.search(page.read_text()):
            yield page


def updated(text: str) -> str:
    """Return a page with its parts as they should be."""
    return _PART.sub(_part, text)


def _part(found: re.Match[str]) -> str:
    before = _PART.sub('', found.string[: found.start()])
    headings = re.findall(r'(?m)^(#+) ', before)
    parts = _KINDS[found['kind']](len(headings[-1]) + 1, *found['about'].split())
    return found['begin'] + '\n' + '\n\n'.join(filter(None, parts)) + '\n\n' + found['end']


def _heading(level: int, title: str) -> str:
    return f'{"#" * level} {title}'


def _table(titles: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [titles, ('---',) * len(titles), *rows]
    return '\n'.join(
        f'| {" | ".join(cell.replace("|", chr(92) + "|") for cell in row)} |' for row in lines
    )


# What a charm calls


def _layer(level: int) -> Iterator[str]:
    """Yield what the module of the layer offers."""
    module = ast.parse(_LAYER.read_text())
    defined = {
        node.name: node for node in module.body if isinstance(node, ast.FunctionDef | ast.ClassDef)
    }
    yield _markdown(module)
    for name in sorted(_public(module), key=lambda name: defined[name].lineno):
        node = defined[name]
        if isinstance(node, ast.ClassDef):
            yield from _class_node(level, node)
        else:
            yield from _function(level, node)


def _options(level: int) -> Iterator[str]:
    """Yield the options in layer.yaml."""
    for name, option in yaml.safe_load((ROOT / 'layer.yaml').read_text())['defines'].items():
        yield _heading(level, name)
        yield f'`{option["type"]}`. {option["description"].strip()}'


def _public(module: ast.Module) -> list[str]:
    """Return the names in the module's `__all__`."""
    for node in module.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == '__all__':
            return ast.literal_eval(node.value)
    raise LookupError(f'{_LAYER} has no __all__')


# What a program imports


def _class(level: int, name: str) -> Iterator[str]:
    """Yield a class of the tools: its arguments, attributes, properties and methods."""
    node, module = _node(_imported(name))
    yield from _class_node(level, node, module)


def _imported(name: str) -> type:
    module, _, attribute = name.rpartition('.')
    return getattr(importlib.import_module(module), attribute)


def _node(kind: type) -> tuple[ast.ClassDef, object]:
    """Return the definition of a class, and its module.

    Its `__module__` may be where it is imported from.
    """
    package = kind.__module__.partition('.')[0]
    for name, module in sorted(sys.modules.items()):
        if name.partition('.')[0] == package and vars(module).get(kind.__name__) is kind:
            for node in ast.parse(inspect.getsource(module)).body:
                if isinstance(node, ast.ClassDef) and node.name == kind.__name__:
                    return node, module
    raise LookupError(f'{kind} is defined nowhere')


def _class_node(level: int, node: ast.ClassDef, module: object = None) -> Iterator[str]:
    yield _heading(level, node.name)
    made = [each for each in node.body if getattr(each, 'name', '') == '__init__']
    if made:
        yield _code(_signature(made[0], node.name, module))
    yield _markdown(node)
    members = [
        (each, [ast.unparse(decorator) for decorator in each.decorator_list])
        for each in node.body
        if isinstance(each, ast.FunctionDef) and not each.name.startswith('_')
    ]
    facts = [*_attributes(made[0].body if made else []), *_attributes(node.body)]
    facts += [
        (member.name, _type(member.returns), _markdown(member))
        for member, decorators in members
        if 'property' in decorators
    ]
    if facts:
        lines = [f'- `{name}` (`{kind}`): {text}' for name, kind, text in facts]
        yield '**Attributes**\n\n' + '\n'.join(re.sub(r'\n(?=.)', '\n  ', line) for line in lines)
    for member, decorators in members:
        if not any(each == 'property' or each.endswith('.setter') for each in decorators):
            yield from _function(level + 1, member, module)


def _attributes(body: list[ast.stmt]) -> Iterator[tuple[str, str, str]]:
    """Yield name, type and description of what has a string after its assignment."""
    for node, following in itertools.pairwise(body):
        if not isinstance(node, ast.AnnAssign) or not isinstance(following, ast.Expr):
            continue
        text = following.value
        name = ast.unparse(node.target).removeprefix('self.')
        if isinstance(text, ast.Constant) and not name.startswith('_'):
            yield name, _type(node.annotation), inspect.cleandoc(text.value)


def _function(level: int, node: ast.FunctionDef, module: object = None) -> Iterator[str]:
    yield _heading(level, node.name)
    yield _code(_signature(node, node.name, module))
    yield _markdown(node)


def _signature(node: ast.FunctionDef, name: str, module: object = None) -> str:
    """Return a signature, with an argument on each line if it is long.

    Constants in it are those of `module`.
    """
    given = node.args
    several = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
    for each in several:
        if each is not None and each.annotation:
            each.annotation = ast.Name(_type(each.annotation))
    for names in (given.posonlyargs, given.args):
        if names and names[0].arg in ('self', 'cls'):
            del names[0]
    for defaults in (given.defaults, given.kw_defaults):
        defaults[:] = [
            ast.Constant(getattr(module, each.id)) if isinstance(each, ast.Name) else each
            for each in defaults
        ]
    parts = re.split(r', (?=\*|\w+:|/)', ast.unparse(given))
    parts = [re.sub(r'^(\w+: [^=]+)=', r'\1 = ', part) for part in parts if part]
    result = f' -> {_type(node.returns)}' if node.name != '__init__' else ''
    line = f'{name}({", ".join(parts)}){result}'
    if len(line) <= 79:
        return line
    return f'{name}(\n' + ''.join(f'    {part},\n' for part in parts) + f'){result}'


def _type(node: ast.expr | None) -> str:
    """Return a type without quotes, and without the names of modules."""
    written = node.value if isinstance(node, ast.Constant) else ast.unparse(node) if node else ''
    written = re.sub(r'\b[a-z_]+\.(?=[A-Z])', '', str(written))
    return written.replace('_Callback', 'Callable[[Progress], object]')


def _code(text: str) -> str:
    return f'```python\n{text}\n```'


def _markdown(node: ast.AST) -> str:
    """Return a docstring with its sections as lists, and its examples as code."""
    lines: list[str] = []
    inside = ''
    for line in inspect.cleandoc(ast.get_docstring(node) or '').splitlines():
        entry = _ENTRY.match(line)
        if _SECTION.match(line):
            inside = line
            lines += [f'**{line[:-1]}**', '']
        elif entry and inside:
            lines.append(f'- `{entry[1]}`: {entry[2]}')
        elif inside == 'Returns:':
            lines.append(line.strip())
        else:
            lines.append(re.sub('^ {8}', '  ', line) if inside else line)
        if not line:
            inside = ''
    return '\n'.join(lines).replace('``', '`').replace('_errors.', '')


def _errors(level: int, package: str) -> Iterator[str]:
    """Yield the table of a package's errors, each below the one that it is a kind of."""
    module = importlib.import_module(package)
    errors = [
        each
        for name in module.__all__
        if inspect.isclass(each := getattr(module, name)) and issubclass(each, Exception)
    ]
    rows = []

    def add(kind: type, depth: int) -> None:
        code = getattr(kind, 'code', '')
        first = ' '.join(inspect.cleandoc(kind.__doc__ or '').partition('\n\n')[0].split())
        rest = ' '.join(
            re.sub(r'Attributes:.*', '', inspect.cleandoc(kind.__doc__ or ''), flags=re.DOTALL)
            .partition('\n\n')[2]
            .split()
        )
        words = f'{first} {rest}'.strip()
        also = [base for base in kind.__bases__ if base.__module__ == 'builtins' and depth]
        words += ''.join(f' Also a `{base.__name__}`.' for base in also)
        name = '&nbsp;' * 4 * depth + f'`{kind.__name__}`'
        rows.append((name, f'`{code}`', words) if code else (name, words))
        for each in errors:
            if kind in each.__bases__:
                add(each, depth + 1)

    add(next(each for each in errors if not set(each.__bases__) & set(errors)), 0)
    yield _table(('error', 'code', 'when') if len(rows[0]) == 3 else ('error', 'when'), rows)
    root = next(each for each in errors if not set(each.__bases__) & set(errors))
    fields = _markdown(_node(root)[0]).partition('**Attributes**')[2].strip()
    if fields:
        yield f'All have these attributes:\n\n{fields}'


def _resources(level: int) -> Iterator[str]:
    """Yield the resources of a build with their arguments."""
    from charm_image import resources

    for name in resources.__all__:
        kind = getattr(resources, name)
        if issubclass(kind, resources.Resource) and '__init__' in vars(kind):
            yield from _resource(level, kind)


def _resource(level: int, kind: type) -> Iterator[str]:
    node, _ = _node(kind)
    text = _markdown(node)
    text = re.sub(r'\n- `common`: .*', '', text)
    first, *others = kind.policies
    policies = f'Policies: `{first}`' + ''.join(f', `{each}`' for each in others) + '.'
    yield _heading(level, node.name)
    (made,) = (each for each in node.body if getattr(each, 'name', '') == '__init__')
    made.args.kwarg = None
    yield _code(_signature(made, node.name))
    yield text
    yield policies


# What a person types


def _command(level: int, name: str, *commands: str) -> Iterator[str]:
    """Yield the arguments and options of a parser, or of a command of it."""
    module = importlib.import_module(name)
    parser = module.parser()
    for command in commands:
        (subparsers,) = (
            action for action in parser._actions if isinstance(action, argparse._SubParsersAction)
        )
        parser = subparsers.choices[command]
    usage = re.sub(r'\s+', ' ', parser.format_usage()).removeprefix('usage: ').strip()
    positional = [each for each in parser._actions if not each.option_strings]
    words = ' '.join(str(each.metavar) for each in positional)
    short = usage if '[options]' in usage else f'{parser.prog} {words} [options]'
    yield f'```text\n{short}\n```'
    rows = [(f'`{each.metavar}`', _help(parser, each)) for each in positional]
    if rows:
        yield _table(('argument', ''), rows)
    rows = [
        (_spelling(each), _help(parser, each))
        for each in parser._actions
        if each.option_strings and each.help != argparse.SUPPRESS
    ]
    yield _table(('option', ''), rows)


def _spelling(option: argparse.Action) -> str:
    value = str(option.metavar or '')
    if option.choices:
        value = '\\|'.join(map(str, option.choices))
    spelled = []
    for name in option.option_strings:
        with_value = (
            (f'{name}={value}' if name.startswith('--') else f'{name} {value}') if value else name
        )
        spelled.append(f'`{with_value}`'.replace('\\|', '|'))
    return ', '.join(spelled)


def _help(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    written = parser._get_formatter()._expand_help(action)
    return re.sub(r'(?<!`)(--[a-z-]+)', r'`\1`', written)


def _prompt(level: int) -> Iterator[str]:
    """Yield the commands of the prompt."""
    from charm_unit._commands import prompt

    texts = [
        inspect.getdoc(method) or ''
        for name, method in inspect.getmembers(prompt.Commands, inspect.isfunction)
        if name.startswith('do_')
    ]
    rows = (text.rpartition(': ') for text in texts)
    yield _table(('command', ''), sorted((f'`{usage}`', purpose) for purpose, _, usage in rows))


_KINDS = {
    'layer': _layer,
    'options': _options,
    'class': _class,
    'errors': _errors,
    'resources': _resources,
    'command': _command,
    'prompt': _prompt,
}


def main() -> int:
    """Write or check; return the exit status."""
    return written.main(__doc__, {page: updated(page.read_text()) for page in pages()}, ROOT)


if __name__ == '__main__':
    sys.exit(main())
