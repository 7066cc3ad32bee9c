"""The command `charm-unit run`: an operator's prompt for a charm, or a script on stdin."""

import argparse
import atexit
import contextlib
import glob
import inspect
import math
import os
import pathlib
import re
import shlex
import sys
import typing

import rich.console
import rich.text
import yaml

from charm_unit._commands import console as consoles
from charm_unit._commands import display, unit_options
from charm_unit._unit import environment, errors, key_values, process, runs, unit

HELP = 'run operator commands (attach, config, relate) at a prompt or from a script on stdin'
DESCRIPTION = """Run a built charm in a simulated unit, with an operator's commands.

Reads commands from a prompt or from stdin, one per line, and runs the hooks that each one
triggers. `help` lists the commands:

    attach my-resource nginx:1.28
    config port=80
    relate mysql host=10.1.0.9 port=3306
    idle
    status

For example:

    charm-unit run ./my-charm
    charm-unit run --juju 3.6 --python python3.8 ./my-charm
    echo 'attach my-resource nginx:1.28' | charm-unit run ./my-charm

Tab completes commands, the charm's names and paths; the lines that were typed are kept in
~/.cache/charm-unit/history. breakpoint() in a handler opens the debugger here.

The exit status of a script is 1 if a hook failed, 2 if a command was invalid.
"""
_PROMPT = '{} > '


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    parser.add_argument(
        '--not-leader', action='store_true', help='start as a unit that is not the leader'
    )
    parser.add_argument(
        '--peers',
        metavar='N',
        type=_count,
        default=0,
        help='have N more units of the application, each with hooks of its own (default: 0); '
        'the command `unit` chooses the one for what follows',
    )
    parser.add_argument(
        '--no-deploy',
        action='store_true',
        help='do not run the first hooks until the command `deploy`',
    )


def main(arguments: argparse.Namespace) -> int:
    """Read commands until there are no more; return the exit status."""
    console = consoles.output()
    if sys.stdin.isatty():
        process.terminal = os.ttyname(sys.stdin.fileno())
    with unit.Unit(
        arguments.built_charm,
        deploy=False,
        leader=not arguments.not_leader,
        peers=arguments.peers,
        check=False,
        **unit_options.keywords(arguments),
    ) as subject:
        commands = Commands(subject, console)
        if not arguments.no_deploy:
            commands.execute('deploy')
        return _read(commands, console)


def _read(commands: 'Commands', console: rich.console.Console) -> int:
    interactive = sys.stdin.isatty()
    if interactive:
        _edit_lines(commands)
        console.print(
            rich.text.Text('Type `help` to list the commands, Ctrl-D to quit.', display.GREY)
        )
    while not commands.quit:
        try:
            line = (
                input(_PROMPT.format(commands.unit.name)) if interactive else sys.stdin.readline()
            )
        except EOFError:
            console.print()
            break
        if not line and not interactive:
            break
        if not interactive and line.strip():
            console.print(rich.text.Text(f'> {line.strip()}', display.GREY))
        try:
            commands.execute(line)
        except errors.CharmUnitError as error:
            if not interactive:
                raise
            console.print(rich.text.Text(str(error), display.RED))
    return 1 if commands.seen_failure and not interactive else 0


def _edit_lines(commands: 'Commands') -> None:
    """Complete words with Tab, and keep lines for the next time."""
    try:
        import readline
    except ImportError:  # some Pythons are built without
        return
    history = environment.cache() / 'history'
    with contextlib.suppress(OSError):
        readline.read_history_file(history)
    atexit.register(_keep_history, history)

    def complete(text: str, number: int) -> 'str | None':
        before = readline.get_line_buffer()[: readline.get_begidx()]
        found = commands.completions(before, text)
        return found[number] if number < len(found) else None

    readline.set_completer_delims(' ')
    readline.set_completer(complete)
    readline.parse_and_bind('tab: complete')


def _keep_history(file: pathlib.Path) -> None:
    import readline

    readline.set_history_length(1000)
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)  # a password may have been typed
        readline.write_history_file(file)


class Commands:
    """The commands of the prompt: each is a method do_NAME, whose docstring is its help."""

    def __init__(self, subject: unit.Unit, console: rich.console.Console) -> None:
        self.unit = subject
        """The one for which the commands are."""
        self.units = {one.name: one for one in (subject, *subject.peers)}
        self.quit = False
        self.seen_failure = False
        self._console = console
        self.commands = {
            name.removeprefix('do_').replace('_', '-'): method
            for name, method in inspect.getmembers(self, inspect.ismethod)
            if name.startswith('do_')
        }

    def execute(self, line: str) -> None:
        """Execute a line and show the result; raise CharmUnitError."""
        try:
            words = shlex.split(line, comments=True)
        except ValueError as error:
            raise errors.UsageError(f'{line.strip()}: {error}') from error
        if not words:
            return
        command = self.commands.get(words[0])
        if command is None:
            raise errors.UsageError(f'{words[0]} is not a command: type `help` to list them')
        try:
            inspect.signature(command).bind(*words[1:])
        except TypeError:
            raise errors.UsageError(f'usage: {_usage(command)}') from None
        done = command(*words[1:])
        if done is not None:
            self.seen_failure |= any(run.exit_code for run in done)
            with_units = len(self.units) > 1
            columns = display.hook_columns(
                [f'{name} leader-settings-changed' for name in self.units] if with_units else ()
            )
            self._console.print(display.Hooks(done, columns, with_units))
            if done:
                self._console.print(display.status(*self.unit.status))

    def completions(self, before: str, text: str) -> list[str]:
        """Return what a word that begins with `text` can be, after the words `before` it.

        A word is followed by what comes next: a space, = or, in a path, /.
        """
        name, *words = before.split() or ['']
        if not name:
            return _matching(self.commands, text)
        command = self.commands.get(name)
        known = [*inspect.signature(command).parameters.values()] if command else []
        variable = known[-1] if known and known[-1].kind is known[-1].VAR_POSITIONAL else None
        parameter = known[len(words)] if len(words) < len(known) else variable
        return self._arguments(name, parameter.name if parameter else '', words, text)

    def _arguments(self, command: str, kind: str, words: list[str], text: str) -> list[str]:
        """Return what an argument of a command can be, by the name of its parameter."""
        built = self.unit.built
        if kind in ('image', 'built'):
            return _paths(text)
        if kind == 'pairs':
            schema = built.actions.get(words[0], {}) if command == 'action' else {}
            options = (schema.get('params') or {}) if command == 'action' else built.options
            return _matching(options, text, '=')
        names: dict[str, typing.Iterable[str]] = {
            'resource': built.resources,
            'endpoint': built.endpoints,
            'action': built.actions,
            'hook': (file.name for file in (built.folder / 'hooks').iterdir()),
            'name': self.units,
            'remote_unit': (
                unit
                for relation in self.unit.relations.values()
                for unit in relation.units
                if relation.endpoint == words[0]
            ),
            'lose_storage': ('lose-storage',),
        }
        return _matching(names.get(kind, ()), text)

    def _say(self, value: typing.Any) -> None:
        text = value if isinstance(value, str) else yaml.safe_dump(value, sort_keys=False)
        self._console.print(rich.text.Text(text.rstrip() or '–'))

    def _declared(self, resource: str) -> dict[str, typing.Any]:
        declared = self.unit.built.resources
        if resource not in declared:
            raise errors.UsageError(errors.unknown('resource', resource, declared))
        return declared[resource]

    # What changes something

    def do_deploy(self) -> list[runs.Run]:
        """Run the first hooks: deploy"""
        return self.unit.deploy()

    def do_attach(
        self, resource: str, image: str, username: str = '', password: str = ''
    ) -> list[runs.Run]:
        """Attach an image or a file: attach RESOURCE REFERENCE|FILE [USERNAME PASSWORD]"""
        return self.unit.attach(resource, image, username, password)

    def do_detach(self, resource: str) -> list[runs.Run]:
        """Detach what is attached: detach RESOURCE"""
        self._declared(resource)
        return self.unit.detach(resource)

    def do_break(self, resource: str, *reason: str) -> None:
        """Make resource-get fail: break RESOURCE [REASON]"""
        self._declared(resource)
        self.unit.fail_resource_get(resource, ' '.join(reason) or 'the store is down')

    def do_repair(self, resource: str) -> None:
        """Make resource-get succeed again: repair RESOURCE"""
        self._declared(resource)
        self.unit.repair_resource_get(resource)

    def do_deliver(self, resource: str, text: str) -> list[runs.Run]:
        r"""Attach exactly this text, with \n for a line end: deliver RESOURCE TEXT"""
        self._declared(resource)
        lines = re.sub(r'\\([\\n])', lambda found: '\n' if found[1] == 'n' else '\\', text)
        return self.unit.attach(resource, lines.encode())

    def do_hang(self, resource: str) -> None:
        """Make resource-get hang: hang RESOURCE"""
        self._declared(resource)
        self.unit.slow_resource_get(resource, math.inf)

    def do_fail_hooks(self) -> None:
        """Make hooks fail before they begin: fail-hooks"""
        self.unit.command_prefix = ('false',)

    def do_repair_hooks(self) -> None:
        """Let hooks run again: repair-hooks"""
        self.unit.command_prefix = ()

    def do_fail_tool(self, tool: str, *reason: str) -> None:
        """Make a hook tool fail: fail-tool TOOL [REASON]"""
        self.unit.fail_tool(tool, *([' '.join(reason)] if reason else []))

    def do_kill_at(self, tool: str) -> None:
        """Kill hooks when they call a hook tool: kill-at TOOL"""
        self.unit.kill_hooks_at(tool)

    def do_repair_tool(self, tool: str) -> None:
        """Let a hook tool work again: repair-tool TOOL"""
        self.unit.repair_tool(tool)

    def do_config(self, *pairs: str) -> 'list[runs.Run] | None':
        """Set or show options: config [OPTION=VALUE …]"""
        if pairs:
            return self.unit.configure(_split(pairs))
        self._say(self.unit.config)
        return None

    def do_relate(self, endpoint: str, *words: str) -> list[runs.Run]:
        """Set the relation data of a remote unit: relate ENDPOINT [UNIT] [KEY=VALUE …]"""
        remote = words[0] if words and '=' not in words[0] else None
        return self.unit.relate(endpoint, remote, _split(words[1:] if remote else words))

    def do_depart(self, endpoint: str, remote_unit: str) -> list[runs.Run]:
        """Remove a remote unit from a relation: depart ENDPOINT UNIT"""
        return self.unit.depart(endpoint, remote_unit)

    def do_unrelate(self, endpoint: str) -> list[runs.Run]:
        """Remove a relation: unrelate ENDPOINT"""
        return self.unit.break_relation(endpoint)

    def do_upgrade(self, built: 'str | None' = None) -> list[runs.Run]:
        """Refresh to a different build or to the same one: upgrade [BUILT_CHARM]"""
        return self.unit.upgrade(built)

    def do_lead(self) -> list[runs.Run]:
        """Make this unit the leader: lead"""
        return self.unit.become_leader()

    def do_stop_leading(self) -> list[runs.Run]:
        """Make another unit the leader: stop-leading"""
        return self.unit.lose_leadership()

    def do_restart(self, lose_storage: str = '') -> list[runs.Run]:
        """Restart the operator's pod, with or without its volume: restart [lose-storage]"""
        if lose_storage not in ('', 'lose-storage'):
            raise errors.UsageError('usage: restart [lose-storage]')
        return self.unit.restart_operator(lose_storage=bool(lose_storage))

    def do_remove(self) -> list[runs.Run]:
        """Remove the unit: remove"""
        return self.unit.remove()

    def do_idle(self) -> list[runs.Run]:
        """Run update-status, or retry the hook that failed: idle"""
        return self.unit.idle()

    def do_resolve(self) -> list[runs.Run]:
        """Mark the failed hook as resolved without a retry: resolve"""
        return self.unit.resolve()

    def do_hook(self, hook: str) -> list[runs.Run]:
        """Run a hook: hook NAME"""
        return self.unit.run(hook)

    def do_action(self, action: str, *pairs: str) -> list[runs.Run]:
        """Run an action: action NAME [PARAMETER=VALUE …]"""
        values = {key: _value(key, text) for key, text in _split(pairs).items()}
        return self.unit.run_action(action, values)

    # What shows something

    def do_unit(self, name: 'str | None' = None) -> None:
        """Choose the unit for the next commands, or list all: unit [UNIT]"""
        if name is not None and name not in self.units:
            raise errors.UsageError(
                f'{name} is not a unit of the application: it has {", ".join(self.units)}'
            )
        if name is not None:
            self.unit = self.units[name]
            return
        for one in self.units.values():
            leads = ' (leader)' if one.leader else ''
            words = rich.text.Text(f'{one.name}{leads}  ')
            self._console.print(words + display.status(*one.status))

    def do_status(self) -> None:
        """Show the status: status"""
        self._console.print(display.status(*self.unit.status))

    def do_spec(self) -> None:
        """Show the pod spec: spec"""
        self._say(self.unit.pod_spec or 'no pod spec has been sent')

    def do_flags(self) -> None:
        """Show the flags: flags"""
        self._say('\n'.join(sorted(self.unit.flags)))

    def do_relations(self) -> None:
        """Show relation data: relations"""
        self._say(
            {
                rid: {**relation.units, self.unit.name: relation.data}
                for rid, relation in self.unit.relations.items()
            }
        )

    def do_log(self, hooks: str = '1') -> None:
        """Show the log of the last hook, or of the last N hooks: log [N]"""
        if not hooks.isdigit():
            raise errors.UsageError('usage: log [N]')
        for run in self.unit.runs[-int(hooks) :]:
            self._console.print(rich.text.Text(run.hook, f'bold {display.CYAN}'))
            for level, message in run.log:
                self._say(f'{level} {message}')
            if run.output:
                self._say(run.output)

    def do_help(self) -> None:
        """List the commands: help"""
        lines = sorted((_usage(method), _purpose(method)) for method in self.commands.values())
        width = max(len(usage) for usage, _ in lines)
        self._say('\n'.join(f'{usage:{width}}  {purpose}' for usage, purpose in lines))

    def do_quit(self) -> None:
        """Quit: quit"""
        self.quit = True


def _matching(names: typing.Iterable[str], text: str, end: str = ' ') -> list[str]:
    return sorted(f'{name}{end}' for name in names if name.startswith(text))


def _paths(text: str) -> list[str]:
    """Return the files and folders whose paths begin with a text."""
    found = glob.glob(f'{glob.escape(os.path.expanduser(text))}*')
    return sorted(f'{path}/' if os.path.isdir(path) else f'{path} ' for path in found)


def _count(text: str) -> int:
    if not re.fullmatch('[0-9]{1,2}', text):
        raise argparse.ArgumentTypeError(f'{text!r} is not a number of units')
    return int(text)


def _usage(method: typing.Callable[..., typing.Any]) -> str:
    return (method.__doc__ or '').rpartition(': ')[2]


def _purpose(method: typing.Callable[..., typing.Any]) -> str:
    return (method.__doc__ or '').rpartition(': ')[0]


def _value(key: str, text: str) -> typing.Any:
    """Return a parameter's value, which Juju reads as YAML; raise UsageError."""
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:  # ValueError: of a day that no month has
        why = ' '.join(str(getattr(error, 'problem', None) or error).split())
        raise errors.UsageError(
            f'{key}={text}: the value is not valid YAML ({why}): '
            f'quote a string, as in {key}=\'"…"\''
        ) from error


def _split(pairs: typing.Iterable[str]) -> dict[str, str]:
    try:
        return key_values.parse(pairs)
    except key_values.InvalidPairError as error:
        raise errors.UsageError(str(error)) from None
