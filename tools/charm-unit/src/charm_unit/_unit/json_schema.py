"""Validates the parameters of an action as juju/gojsonschema does: draft 4 of JSON Schema."""

import json
import re
import typing

Schema = dict[str, typing.Any]

_TYPES = ('array', 'boolean', 'integer', 'number', 'null', 'object', 'string')
_COUNTS = ('minLength', 'maxLength', 'minItems', 'maxItems', 'minProperties', 'maxProperties')
_SCHEMAS = ('properties', 'patternProperties')
_KINDS: dict[str, tuple[type, str]] = {
    'title': (str, 'string'),
    'description': (str, 'string'),
    'id': (str, 'string'),
    'properties': (dict, 'object'),
    'patternProperties': (dict, 'schema'),
    'dependencies': (dict, 'object'),
    'required': (list, 'array'),
    'enum': (list, 'array'),
    'oneOf': (list, 'array'),
    'anyOf': (list, 'array'),
    'allOf': (list, 'array'),
    'not': (dict, 'object'),
    'pattern': (str, 'string'),
    'uniqueItems': (bool, 'boolean'),
}


class Invalid(Exception):
    """The schema is not valid; `path` leads to the part at fault."""

    def __init__(self, message: str, path: tuple[typing.Any, ...]) -> None:
        super().__init__(message)
        self.path = path


def check(schema: typing.Any, path: tuple[typing.Any, ...] = ()) -> None:
    """Raise Invalid if this is not a schema."""
    if not isinstance(schema, dict):
        raise Invalid('schema must be of type object', path)
    for key, value in schema.items():
        _check_key(schema, key, value, (*path, key))
    for key in _SCHEMAS:
        for name, inner in (schema.get(key) or {}).items():
            check(inner, (*path, key, name))
    for key in ('oneOf', 'anyOf', 'allOf'):
        for number, inner in enumerate(schema.get(key) or []):
            check(inner, (*path, key, number))
    for key in ('not', 'additionalProperties', 'additionalItems', 'items'):
        inner = schema.get(key)
        for number, part in enumerate(inner if isinstance(inner, list) else []):
            check(part, (*path, key, number))
        if isinstance(inner, dict):
            check(inner, (*path, key))
    for low, high in zip(_COUNTS[::2], _COUNTS[1::2], strict=True):
        if schema.get(low, 0) > schema.get(high, float('inf')):
            raise Invalid(f'{low} cannot be greater than {high}', (*path, low))
    if schema.get('minimum', float('-inf')) > schema.get('maximum', float('inf')):
        raise Invalid('minimum cannot be greater than maximum', (*path, 'minimum'))


def _check_key(schema: Schema, key: str, value: typing.Any, path: tuple[typing.Any, ...]) -> None:
    if key in _KINDS and not isinstance(value, _KINDS[key][0]):
        kind = _KINDS[key][1]
        raise Invalid(f'{key} must be of {"an" if kind[0] in "ao" else "a"} {kind}', path)
    if key == 'type':
        for kind in value if isinstance(value, list) else [value]:
            if kind not in _TYPES:
                raise Invalid(f'{kind} is not a valid type', path)
    elif key in ('minimum', 'maximum', 'multipleOf') and not _is_number(value):
        raise Invalid(f'{key} must be of a number', path)
    elif key == 'multipleOf' and value <= 0:
        raise Invalid('multipleOf must be strictly greater than 0', path)
    elif key in _COUNTS:
        if not _is_number(value) or value != int(value):
            raise Invalid(f'{key} must be of an integer', path)
        if value < 0:
            raise Invalid(f'{key} must be greater than or equal to 0', path)
    elif key in ('exclusiveMinimum', 'exclusiveMaximum'):
        if not isinstance(value, bool):
            raise Invalid(f'{key} must be of a boolean', path)
        bound = key.removeprefix('exclusive').lower()
        if bound not in schema:
            raise Invalid(f'{key} cannot be used without {bound}', path)
    elif key == 'required' and not all(isinstance(name, str) for name in value):
        raise Invalid('required items must be string', path)
    elif key in ('additionalProperties', 'additionalItems'):
        if not isinstance(value, bool | dict):
            raise Invalid(f'{key} must be of type boolean/schema', path)
    elif key == 'items' and not isinstance(value, dict | list):
        raise Invalid('items must be of type schema/array of schemas', path)
    patterns = [value] if key == 'pattern' else value if key == 'patternProperties' else ()
    for pattern in patterns:
        try:
            re.compile(pattern)
        except re.error:
            raise Invalid(f"Invalid regex pattern '{pattern}'", path) from None


def with_defaults(schema: Schema, given: typing.Mapping[str, typing.Any]) -> Schema:
    """Return parameters with the defaults that a schema has for what is not given."""
    found = dict(given)
    for name, inner in (schema.get('properties') or {}).items():
        if name in found:
            if isinstance(found[name], dict) and inner.get('properties'):
                found[name] = with_defaults(inner, found[name])
        elif 'default' in inner:
            found[name] = inner['default']
        elif inner.get('properties'):
            defaults = with_defaults(inner, {})
            if defaults:
                found[name] = defaults
    return found


def errors(schema: Schema, value: typing.Any, context: str = '(root)') -> list[str]:
    """Return what is wrong with a value, in the words of Juju's validator."""
    kinds = schema.get('type')
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(_is(kind, value) for kind in kinds):
        return [_told(context, f'must be of type {",".join(kinds)}', value)]
    wrong = [_told(context, what, value) for what in _combined(schema, value)]
    if isinstance(value, list):
        wrong += _of_array(schema, value, context)
    elif isinstance(value, dict):
        wrong += _of_object(schema, value, context)
    elif isinstance(value, str):
        wrong += [_told(context, what, value) for what in _of_string(schema, value)]
    elif _is_number(value):
        wrong += [_told(context, what, value) for what in _of_number(schema, value)]
    if 'enum' in schema and not any(_same(value, known) for known in schema['enum']):
        listed = ','.join(map(_json, schema['enum']))
        wrong.append(_told(context, f'must match one of the enum values [{listed}]', value))
    return wrong


def _combined(schema: Schema, value: typing.Any) -> typing.Iterator[str]:
    def valid(inner: Schema) -> bool:
        return not errors(inner, value)

    if schema.get('anyOf') and not any(map(valid, schema['anyOf'])):
        yield 'must validate at least one schema (anyOf)'
    if schema.get('oneOf') and sum(map(valid, schema['oneOf'])) != 1:
        yield 'must validate one and only one schema (oneOf)'
    if not all(map(valid, schema.get('allOf', []))):
        yield 'must validate all the schemas (allOf)'
    if 'not' in schema and valid(schema['not']):
        yield 'must not validate the schema (not)'
    if isinstance(value, dict):
        for name, needs in schema.get('dependencies', {}).items():
            if name in value and isinstance(needs, list):
                for need in needs:
                    if need not in value:
                        yield f'has a dependency on {need}'


def _of_array(schema: Schema, value: list[typing.Any], context: str) -> list[str]:
    wrong = []
    items = schema.get('items')
    if isinstance(items, dict):
        for number, item in enumerate(value):
            wrong += errors(items, item, f'{context}.{number}')
    elif isinstance(items, list):
        for number, (inner, item) in enumerate(zip(items, value, strict=False)):
            wrong += errors(inner, item, f'{context}.{number}')
        if schema.get('additionalItems') is False and len(value) > len(items):
            wrong.append(_told(context, 'no additional item allowed on array', value))
    if len(value) < schema.get('minItems', 0):
        wrong.append(_told(context, f'array must have at least {schema["minItems"]} items', value))
    if len(value) > schema.get('maxItems', len(value)):
        most = f'array must have at the most {schema["maxItems"]} items'
        wrong.append(_told(context, most, value))
    if schema.get('uniqueItems') and len({_json(item) for item in value}) < len(value):
        wrong.append(_told(context, 'array items must be unique', value))
    return wrong


def _of_object(schema: Schema, value: Schema, context: str) -> list[str]:
    wrong = []
    if len(value) < schema.get('minProperties', 0):
        least = f'must have at least {schema["minProperties"]} properties'
        wrong.append(_told(context, least, value))
    if len(value) > schema.get('maxProperties', len(value)):
        most = f'must have at the most {schema["maxProperties"]} properties'
        wrong.append(_told(context, most, value))
    for name in schema.get('required', []):
        if name not in value:
            wrong.append(_told(context, f'"{name}" property is missing and required', value))
    known = schema.get('properties') or {}
    patterns = schema.get('patternProperties') or {}
    additional = schema.get('additionalProperties', True)
    for name, inner in value.items():
        matching = [known[name]] if name in known else []
        matching += [other for pattern, other in patterns.items() if re.search(pattern, name)]
        for other in matching:
            wrong += errors(other, inner, f'{context}.{name}')
        if not matching and additional is False:
            wrong.append(_told(context, f'additional property "{name}" is not allowed', value))
        elif not matching and isinstance(additional, dict):
            wrong += errors(additional, inner, f'{context}.{name}')
    return wrong


def _of_string(schema: Schema, value: str) -> typing.Iterator[str]:
    if len(value) < schema.get('minLength', 0):
        yield f'string length must be greater or equal to {schema["minLength"]}'
    if len(value) > schema.get('maxLength', len(value)):
        yield f'string length must be lower or equal to {schema["maxLength"]}'
    if 'pattern' in schema and not re.search(schema['pattern'], value):
        yield f"does not match pattern '{schema['pattern']}'"


def _of_number(schema: Schema, value: float) -> typing.Iterator[str]:
    low, high = schema.get('minimum'), schema.get('maximum')
    if 'multipleOf' in schema and value % schema['multipleOf']:
        yield f'must be a multiple of {_json(schema["multipleOf"])}'
    if high is not None:
        if schema.get('exclusiveMaximum') and value >= high:
            yield f'must be lower than {_json(high)}'
        elif value > high:
            yield f'must be lower than or equal to {_json(high)}'
    if low is not None:
        if schema.get('exclusiveMinimum') and value <= low:
            yield f'must be greater than {_json(low)}'
        elif value < low:
            yield f'must be greater than or equal to {_json(low)}'


def _is(kind: str, value: typing.Any) -> bool:
    if kind == 'integer':
        return _is_number(value) and value == int(value)
    if kind == 'number':
        return _is_number(value)
    kinds = {'array': list, 'boolean': bool, 'null': type(None), 'object': dict, 'string': str}
    return isinstance(value, kinds[kind])


def _is_number(value: typing.Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _same(one: typing.Any, other: typing.Any) -> bool:
    return _json(one) == _json(other)


def _json(value: typing.Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(',', ':'), default=str)


def _told(context: str, what: str, value: typing.Any) -> str:
    return f'{context} : {what}, given {_json(value)}'
