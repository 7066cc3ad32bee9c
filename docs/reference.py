"""Writes docs/docker-resource.md, the reference of what charms call, from the layer's docstrings.

python docs/reference.py, or ./dev docs
"""

import ast
import inspect
import pathlib
import re

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[1]
REFERENCE = ROOT / 'docs' / 'docker-resource.md'
_MODULE = ROOT / 'lib' / 'charms' / 'layer' / 'docker_resource.py'
_SECTION = re.compile(r'^(Args|Returns|Raises):$')
_ENTRY = re.compile(r'^ {4}(\w+): (.*)$')


def text() -> str:
    """Return the reference as Markdown."""
    module = ast.parse(_MODULE.read_text())
    defined = {node.name: node for node in module.body if isinstance(node, _Documented)}
    parts = [
        '# charms.layer.docker_resource',
        '<!-- Written by ./dev docs from docstrings and layer.yaml: edit those. -->',
        _markdown(module),
    ]
    for name in sorted(_public(module), key=lambda name: defined[name].lineno):
        parts += _described(defined[name])
    return '\n\n'.join([*parts, *_options()]) + '\n'


_Documented = (ast.FunctionDef, ast.ClassDef)


def _public(module: ast.Module) -> list[str]:
    """Return the names in the module's `__all__`."""
    for node in module.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == '__all__':
            return ast.literal_eval(node.value)
    raise LookupError(f'{_MODULE} has no __all__')


def _described(node: ast.FunctionDef | ast.ClassDef) -> list[str]:
    """Return the paragraphs for a function, or a class with its properties."""
    if isinstance(node, ast.FunctionDef):
        return [f'## {node.name}', _code(_signature(node)), _markdown(node)]
    parts = [f'## {node.name}', _markdown(node)]
    for member in node.body:
        if isinstance(member, ast.FunctionDef) and not member.name.startswith('_'):
            result = ast.unparse(member.returns).removeprefix('typing.')
            parts += [f'### {member.name}', f'`{result}`: {_markdown(member)}']
    return parts


def _signature(node: ast.FunctionDef) -> str:
    return f'{node.name}({ast.unparse(node.args)}) -> {ast.unparse(node.returns)}'


def _code(line: str) -> str:
    return f'```python\n{line}\n```'


def _markdown(node: ast.AST) -> str:
    """Return a docstring with its sections as lists."""
    lines = []
    for line in inspect.cleandoc(ast.get_docstring(node) or '').splitlines():
        entry = _ENTRY.match(line)
        if _SECTION.match(line):
            lines += [f'**{line[:-1]}**', '']
        elif entry:
            lines.append(f'- `{entry[1]}`: {entry[2]}')
        else:
            lines.append(re.sub('^ {8}', '  ', line))
    return '\n'.join(lines).replace('``', '`')


def _options() -> list[str]:
    """Return the paragraphs for the options in layer.yaml."""
    parts = ['## Options', "In a charm's `layer.yaml`, below `options: docker-resource:`."]
    for name, option in yaml.safe_load((ROOT / 'layer.yaml').read_text())['defines'].items():
        default = str(option['default']).lower()
        parts += [f'### {name}', f'`{option["type"]}`, default `{default}`.']
        parts.append(option['description'].strip())
    return parts


if __name__ == '__main__':
    REFERENCE.write_text(text())
    print(f'Wrote {REFERENCE.relative_to(ROOT)}')
