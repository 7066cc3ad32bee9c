"""Builds images as tasks of Fabric 3 or Invoke: `fab app-server --tag=myproject:latest`."""

from __future__ import annotations

import functools
import inspect
import json
import os
import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import (
    TYPE_CHECKING,
    Any,
    Concatenate,
    Generic,
    NoReturn,
    ParamSpec,
    TypeAlias,
    TypedDict,
    overload,
)

from charm_image import _errors, _pairs, _programs, resources
from charm_image._build import builder, bundle, emulation, engines
from charm_image._oci import platforms
from container_image import messages

try:
    import invoke.context
    import invoke.exceptions
    import invoke.tasks
except ModuleNotFoundError as _error:
    if (_error.name or '').partition('.')[0] != 'invoke':
        raise
    raise ModuleNotFoundError(
        "charm_image.fabric needs Fabric: pip install 'charm-image[fabric]'", name=_error.name
    ) from None

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ['ImageTask', 'Settings', 'docker_container']

_P = ParamSpec('_P')
_Resources: TypeAlias = Iterable[resources.Resource] | None
_Function: TypeAlias = Callable[Concatenate[bundle.ResourceBundle, _P], _Resources]

_OPTIONS = {
    'from_image': 'The base image: a name, an ID or scratch.',
    'tag': 'The name of the image.',
    'env': 'NAME=VALUE: an environment variable, for the build and for containers. Repeatable.',
    'volumes': 'The path of a volume; separate several with commas. Repeatable.',
    'ports': 'A port to expose; separate several with commas: 80,81/udp. Repeatable.',
    'cmd': 'The default command: words as in a shell, or a JSON list.',
    'maintainer': 'The value of the label org.opencontainers.image.authors.',
    'platform': 'A platform such as linux/arm64; separate several with commas. Repeatable.',
    'labels': 'NAME=VALUE: a label. Repeatable.',
    'entrypoint': 'The program of containers: words as in a shell, or a JSON list.',
    'workdir': 'The directory in which containers start.',
    'user': 'Whom containers run as: a name or ID, or USER:GROUP.',
    'stop_signal': 'The signal that ends containers, such as SIGINT.',
    'pull': 'Ask for a newer base.',
    'no_cache': 'Repeat all steps.',
    'check_reproducible': 'Build twice, and name the files that differ.',
    'dry_run': 'Print the Dockerfile and the steps, without building.',
    'output': 'Also write the image to this file, as an OCI archive.',
    'network': 'The network of commands during the build, such as host.',
    'engine': 'PLATFORM=NAME: docker context, buildx builder or URL for a platform. Repeatable.',
}
_SETTINGS = {name: name for name in _OPTIONS} | {'engine': 'engines'}
_PAIRS = ('env', 'labels', 'engine')
_LISTS = {'volumes': ',(?=/)', 'ports': ', *', 'platform': ', *'}
_FLAGS = ('pull', 'no_cache', 'check_reproducible', 'dry_run')
_SEVERAL = (list, tuple, set, frozenset, dict)
_DEFAULTS = {setting: False if setting in _FLAGS else None for setting in _SETTINGS.values()}


class Settings(TypedDict, total=False):
    """The settings of an image, which `docker_container` and callers of the task give."""

    from_image: str | None
    tag: str | None
    env: Mapping[str, str] | None
    volumes: Sequence[str] | None
    ports: Sequence[int | str] | None
    cmd: Sequence[str] | None
    maintainer: str | None
    platform: str | Sequence[str] | None
    labels: Mapping[str, str] | None
    entrypoint: Sequence[str] | None
    workdir: str | os.PathLike[str] | None
    user: str | int | None
    stop_signal: str | int | None
    pull: bool
    no_cache: bool
    check_reproducible: bool
    dry_run: bool
    output: str | os.PathLike[str] | None
    network: str | None
    engines: Mapping[str, str] | None


class ImageTask(invoke.tasks.Task[Any], Generic[_P]):
    """A task that builds an image; `__wrapped__` is the function that yields its resources."""

    __wrapped__: _Function[_P]

    @overload
    def __call__(
        self, context: invoke.context.Context, /, *args: _P.args, **kwargs: _P.kwargs
    ) -> str | None: ...

    @overload
    def __call__(
        self, context: invoke.context.Context, /, **settings: Unpack[Settings]
    ) -> str | None: ...

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # type: ignore[misc]
        """Build the image; return its ID, None for a dry run."""
        return super().__call__(*args, **kwargs)


@overload
def docker_container(function: _Function[_P], /) -> ImageTask[_P]: ...


@overload
def docker_container(
    **settings: Unpack[Settings],
) -> Callable[[_Function[_P]], ImageTask[_P]]: ...


def docker_container(function: _Function[Any] | None = None, /, **settings: Any) -> Any:
    """Turn a function that yields resources into a task that builds an image of them.

    The function gets a ResourceBundle and the values of its own parameters from the command line,
    converted to the types of their defaults. If it has a parameter `platform`, it is called for
    each platform, with a name such as linux/arm64. If it takes `**kwargs`, these are the settings
    of the image. The command line and callers of the task can override the settings here, which
    are those of DockerBuilder.

    The task prints the progress and, as the last line, the image's ID, which it also returns (None
    for a dry run). For several hosts (`fab -H a,b`) it builds once.

    Raises:
        TypeError: the function cannot become a task; the message says why
    """
    for name in settings:
        if name not in _DEFAULTS:
            raise TypeError(f'docker_container() got an unexpected keyword argument {name!r}')
    settings = {**_DEFAULTS, **settings}
    if function is None:
        return functools.partial(_task, settings=settings)
    return _task(function, settings=settings)


def _task(function: _Function[Any], settings: Mapping[str, Any]) -> ImageTask[Any]:
    own, takes = _parameters(function)
    built: dict[str, str | None] = {}

    def body(context: invoke.context.Context, /, **arguments: Any) -> str | None:
        key = repr(sorted(arguments.items()))
        # only Fabric's connections have a host; all of them get the same image
        if not (hasattr(context, 'host') and key in built):
            given = {name: value for name, value in arguments.items() if value not in (None, [])}
            values = {name: _own(own[name], given[name]) for name in own if name in given}
            chosen = _choose(settings, given)
            if 'settings' in takes:
                values.update(chosen)
            # without what the command line may complete
            platform = settings['platform'] or list(settings['engines'] or ()) or None
            _check({**settings, 'platform': platform}, f'{_where(function)}: ', code=1)
            _check(chosen, code=2)
            built[key] = _build(function, values, chosen, 'platform' in takes)
        return built[key]

    functools.update_wrapper(body, function, updated=())
    body.__doc__ = inspect.getdoc(function) or 'Build an image.'
    body.__signature__ = _signature(own)  # type: ignore[attr-defined]
    several = [name for name, parameter in own.items() if issubclass(_kind(parameter), _SEVERAL)]
    return ImageTask(
        body,
        iterable=[*several, *_PAIRS, *_LISTS],
        help={**{name: _describe(parameter) for name, parameter in own.items()}, **_OPTIONS},
    )


def _filled(function: _Function[Any], values: Mapping[str, Any]) -> bundle.ResourceBundle:
    contents = bundle.ResourceBundle()
    try:
        generator = function(contents, **values)
        if generator is not None or not len(contents):
            contents.extend(generator)  # type: ignore[arg-type]  # None raises a clear error
    except _errors.ResourceError as error:
        if error.line:
            raise
        line = _where(function)
        raise _errors.ResourceError(error.message, error.resolution, line=line) from error
    return contents


def _own_platform(dry_run: bool) -> str:
    """Return the platform to build for if none is set."""
    if dry_run:  # without an engine
        return str(platforms.of_this_machine())
    with engines.connect() as engine, engines.as_build_error():
        return str(emulation.engines_own(engine.client))


def _of_platforms(engines: Any, chosen: Any) -> Any:
    """Return the decorator's engines for the platforms that are built."""
    if not isinstance(engines, Mapping) or not chosen:
        return engines
    names = [chosen] if isinstance(chosen, str) else chosen
    try:
        parsed = {platforms.parse(name) for name in names}
        return {
            name: engine for name, engine in engines.items() if platforms.parse(name) in parsed
        }
    except (ValueError, TypeError):
        return engines  # the builder reports the error


def _check(settings: Mapping[str, Any], where: str = '', *, code: int) -> None:
    """Check settings: those of the decorator, including what the command line overrides, or all.

    Raises:
        Exit: one is not valid; `code` is the exit status, and `where` begins the message
    """
    try:
        builder.DockerBuilder(bundle.ResourceBundle(), **{**settings, 'dry_run': True})
    except _errors.ResourceError as error:
        raise invoke.exceptions.Exit(f'{where}{error}', code=code) from error


def _build(
    function: _Function[Any], values: dict[str, Any], chosen: dict[str, Any], takes_platform: bool
) -> str | None:
    def contents_for(platform: str) -> bundle.ResourceBundle:
        return _filled(function, {**values, 'platform': platform})

    _programs.escape_unencodable()
    try:
        contents = contents_for if takes_platform else _filled(function, values)
        if takes_platform and not chosen['platform']:
            chosen = {**chosen, 'platform': _own_platform(chosen['dry_run'])}
        image = builder.DockerBuilder(contents, **chosen)
        for progress in image.build():
            if progress.state != 'built' or progress.platform:
                print(progress, flush=True)
    except _errors.BuildError as error:
        raise invoke.exceptions.Exit(str(error), code=1) from error
    except KeyboardInterrupt:
        raise invoke.exceptions.Exit('Interrupted: no image was built.', code=130) from None
    if image.image_id:
        print(messages.printable(image.image_id), flush=True)
    return image.image_id or None


def _where(function: _Function[Any]) -> str:
    code = function.__code__
    return f'{os.path.basename(code.co_filename)}:{code.co_firstlineno}: {function.__name__}'


def _parameters(function: _Function[Any]) -> tuple[dict[str, inspect.Parameter], set[str]]:
    """Return its own parameters, and whether it takes the settings and the platform."""
    if not inspect.isfunction(function):
        raise TypeError(
            f'docker_container decorates a function, not {type(function).__name__}: '
            "pass settings by name, as in @docker_container(tag='name')"
        )
    where = _where(function)
    parameters = list(inspect.signature(function).parameters.values())
    if not parameters or parameters[0].kind not in (
        inspect.Parameter.POSITIONAL_ONLY,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
    ):
        raise TypeError(f'{where}: its first parameter must be the bundle')
    own = {}
    takes = set()
    for parameter in parameters[1:]:
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            takes.add('settings')
        elif parameter.kind in (
            inspect.Parameter.VAR_POSITIONAL,
            inspect.Parameter.POSITIONAL_ONLY,
        ):
            raise TypeError(
                f'{where}: {parameter} cannot be a command-line option: use a named parameter'
            )
        elif parameter.name == 'platform':
            takes.add('platform')
        elif parameter.name in (*_SETTINGS, *_SETTINGS.values()):
            raise TypeError(
                f'{where}: its parameter {parameter.name} is a setting of the image: '
                'rename it, or take it from **kwargs'
            )
        else:
            own[parameter.name] = parameter
    return own, takes


def _signature(own: Mapping[str, inspect.Parameter]) -> inspect.Signature:
    """Return the signature from which Invoke makes the command-line options."""
    keyword = inspect.Parameter.KEYWORD_ONLY
    parameters = [inspect.Parameter('_context', inspect.Parameter.POSITIONAL_ONLY)]
    for name, parameter in own.items():
        # only flags keep their type: Invoke has no clear error for a word that is not a number
        flag = isinstance(parameter.default, bool)
        required = parameter.default is inspect.Parameter.empty
        default = parameter.default if flag or required else None
        parameters.append(inspect.Parameter(name, keyword, default=default))
    for name in _OPTIONS:
        default = False if name in _FLAGS else None
        parameters.append(inspect.Parameter(name, keyword, default=default))
    return inspect.Signature(parameters)


def _describe(parameter: inspect.Parameter) -> str:
    if parameter.default is inspect.Parameter.empty:
        return 'Required.'
    kind = _kind(parameter)
    note = (
        'NAME=VALUE; repeatable. ' if kind is dict else 'Repeatable. ' if kind in _SEVERAL else ''
    )
    return f'{note}Default: {parameter.default!r}.'


def _kind(parameter: inspect.Parameter) -> type[Any]:
    default = parameter.default
    if default in (None, inspect.Parameter.empty):
        return str
    return type(default)


def _own(parameter: inspect.Parameter, value: Any) -> Any:
    """Convert the value of the function's own parameter to the type of its default."""
    kind = _kind(parameter)
    if kind is dict and isinstance(value, list):
        return {**parameter.default, **_split_pairs(parameter.name, value)}
    # a value of a different type comes from a caller in Python
    if not isinstance(value, list if kind in _SEVERAL else str):
        return value
    try:
        return kind(value)
    except (TypeError, ValueError):
        _refuse(parameter.name, f'{value!r} is not a valid {kind.__name__}')


def _choose(settings: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of an image: the decorator's, and what overrides them."""
    chosen: dict[str, Any] = {}
    for name, setting in _SETTINGS.items():
        default = settings[setting]
        if name == 'engine':
            default = _of_platforms(default, chosen['platform'])
        # a caller in Python gives it under the name of the setting
        chosen[setting] = _chosen(name, default, given.get(name, given.get(setting)))
    return chosen


def _chosen(name: str, default: Any, value: Any) -> Any:
    """Return the setting `name`: from the command line or caller, else from the decorator."""
    if name in _FLAGS:
        return bool(default or value)
    if value is None:
        return default
    if name in (*_PAIRS, *_LISTS) and isinstance(value, list) and '' in value:
        default, value = None, [word for word in value if word != '']
    if value in ('', []):
        return None
    if name in _PAIRS:
        pairs = _split_pairs(name, value) if isinstance(value, list) else value
        both = isinstance(default, Mapping) and isinstance(pairs, Mapping)
        return {**default, **pairs} if both else pairs
    if name in _LISTS and isinstance(value, list):
        separator = _LISTS[name]
        parts = [
            part
            for word in value
            for part in (re.split(separator, word) if isinstance(word, str) else [word])
        ]
        return parts[0] if name == 'platform' and len(parts) == 1 else parts
    if name == 'platform' and isinstance(value, str):
        several = re.split(_LISTS[name], value)
        return several if len(several) > 1 else value
    if name in ('cmd', 'entrypoint') and isinstance(value, str):
        return _words(name, value)
    return value


def _split_pairs(name: str, values: Iterable[str]) -> dict[str, str]:
    try:
        return dict(map(_pairs.split, values))
    except ValueError as error:
        _refuse(name, str(error))


def _words(name: str, text: str) -> list[str]:
    if not text.lstrip().startswith('['):
        try:
            return shlex.split(text)
        except ValueError as error:
            _refuse(name, f'{text!r}: {error}')
    try:
        words = json.loads(text)
    except ValueError as error:
        _refuse(name, f'{text!r} is not a valid JSON list: {error}')
    if not all(isinstance(word, str) for word in words):
        _refuse(name, f'{text!r} is not a list of strings')
    return list(words)


def _refuse(name: str, reason: str) -> NoReturn:
    option = name.replace('_', '-')
    raise invoke.exceptions.Exit(messages.printable(f'--{option}: {reason}'), code=2)
