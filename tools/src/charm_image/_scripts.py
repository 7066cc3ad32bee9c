"""What each resource is to a POSIX shell (POSIX.1-2017, XCU) with the utilities beside it.

Scripts run under `set -eu`. They set no variable that programs would see, and every value stands
in them quoted.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping

from charm_image import _packages, _snapshots, resources
from charm_image._shell import one_line, quote, say, stop

#: Where files for scripts are while they run.
STAGE = '/.charm-image'

# USER GROUP COMMAND. A shell can't become somebody else, and bases differ in what can
_AS = r"""
as() (
    _user=$1 _uid= _gid= _first= _home=/
    while IFS=: read -r _name _x _id _group _comment _dir _x; do
        if [ "$_name" = "$1" ] || [ "$_id" = "$1" ]; then
            _user=$_name _uid=$_id _gid=$_group _first=$_group _home=$_dir
            break
        fi
    done </etc/passwd
    if [ -n "$2" ]; then
        _gid=
        while IFS=: read -r _name _x _id _x; do
            if [ "$_name" = "$2" ] || [ "$_id" = "$2" ]; then _gid=$_id; break; fi
        done </etc/group
    fi
    case ${_uid:-$1} in *[!0-9]*) echo "there is no user $1" >&2; exit 1 ;; esac
    case ${_gid:-${2:-0}} in *[!0-9]*) echo "there is no group $2" >&2; exit 1 ;; esac
    export HOME="$_home" USER="$_user" LOGNAME="$_user"
    set -- "$3" "${_uid:-$1}" "${_gid:-${2:-0}}" "${_uid:+--init-groups}"
    if setpriv --reuid=0 true 2>/dev/null; then
        exec setpriv --reuid="$2" --regid="$3" "${4:---clear-groups}" /bin/sh -c "$1"
    elif chroot --userspec=0:0 / true 2>/dev/null; then
        exec chroot --userspec="$2:$3" / /bin/sh -c "$1"
    elif [ "$3" = "$_first" ] && su -s /bin/sh root -c true 2>/dev/null; then
        exec su -s /bin/sh "$_user" -c "$1"
    fi
    echo 'to run as another user, the image needs setpriv, chroot --userspec or su' >&2
    exit 1
)
""".strip().splitlines()


class Script:
    """The lines for one resource, and what has to be beside them."""

    def __init__(self, stage: Callable[[bytes | str], str], news: str):
        """
        Args:
            stage: brings contents, or the file with that path, to the image; tells where it is
            news: the variable that says whether something changed, or ''
        """
        self.stage = stage
        self.news = news
        self.lines: list[str] = []
        self.functions: dict[str, list[str]] = {}

    def add(self, *lines: str) -> None:
        """Append `lines`."""
        self.lines += lines


def of(
    resource: resources.Resource,
    owners: Mapping[str, str],
    stage: Callable[[bytes | str], str],
    news: str = '',
) -> Script:
    """Write the script that applies `resource`.

    Args:
        resource: what to apply
        owners: the first group of each user that the bundle makes
        stage: see Script
        news: see Script
    """
    script = Script(stage, news)
    before = _snapshots.command(resource) if news else ''
    if before:
        script.add(f'{news}_before=$({before})')
    if isinstance(resource, resources.File):
        _file(script, resource, owners)
    elif isinstance(resource, resources.Directory):
        _directory(script, resource, owners)
    elif isinstance(resource, resources.Link):
        _link(script, resource, owners)
    elif isinstance(resource, resources.Line):
        _line(script, resource)
    elif isinstance(resource, resources.Execute):
        _execute(script, resource)
    elif isinstance(resource, resources.User):
        _user(script, resource)
    elif isinstance(resource, resources.Group):
        _group(script, resource)
    elif isinstance(resource, resources.Package):
        script.add(*_packages.script([resource]))
    else:
        raise TypeError(f'no script for {resource!r}')
    if before:
        script.add(f'[ "${news}_before" = "$({before})" ] || {news}=1')
    return script


def ownership(
    owner: str | None, group: str | None, owners: Mapping[str, str]
) -> tuple[str, str | None]:
    """Tell owner and group; None where it is the owner's own, which only the image knows."""
    if group is not None:
        return owner or '0', group
    if owner is None or owner.isdigit():
        return owner or '0', '0'
    return owner, '0' if owner == 'root' else owners.get(owner)


def chown(owner: str | None, group: str | None, owners: Mapping[str, str], path: str) -> str:
    """The command that gives `path` its owner and group."""
    user, its_group = ownership(owner, group, owners)
    # "user:" is the user's own group to every chown there is, though not to POSIX
    return f'chown {quote(user + ":" + (its_group or ""))} {quote(path)}'


def _file(script: Script, file: resources.File, owners: Mapping[str, str]) -> None:
    name = quote(file.name)
    script.add(f'[ ! -d {name} ] || {{ {stop(file.name + " is a directory")}; }}')
    if file.removes:
        script.add(f'rm -f {name}')
        return
    parent = file.name.rpartition('/')[0]
    if parent:
        script.add(f'mkdir -p {quote(parent)}')
    content = file.source if file.source is not None else file.contents
    if content is None:
        script.add(f'[ -e {name} ] || : >{name}')
    else:
        script.add(f'rm -f {name}', f'cp {quote(script.stage(content))} {name}')
    script.add(
        chown(file.owner, file.group, owners, file.name),
        f'chmod {0o644 if file.mode is None else file.mode:04o} {name}',
    )


def finish_file(file: resources.File, owners: Mapping[str, str], owned: bool) -> list[str]:
    """What COPY left to do, or nothing; `owned` is whether that is to give it its owner."""
    mode = 0o644 if file.mode is None else file.mode
    lines = []
    if owned:
        lines.append(chown(file.owner, file.group, owners, file.name))
    if mode & 0o6000:  # which only BuildKit copies, and chown clears
        lines.append(f'chmod {mode:04o} {quote(file.name)}')
    return lines


def _directory(script: Script, directory: resources.Directory, owners: Mapping[str, str]) -> None:
    name = quote(directory.name)
    if directory.removes:
        remove = 'rm -rf' if directory.policy == 'remove-recursive' else 'rmdir'
        script.add(
            f'if [ -d {name} ]; then {remove} {name}',
            f'elif [ -e {name} ]; then {stop(directory.name + " is no directory")}; fi',
        )
        return
    mode = 0o755 if directory.mode is None else directory.mode

    def make(path: str) -> str:
        own = chown(directory.owner, directory.group, owners, path)
        return f'mkdir {quote(path)}; {own}; chmod {mode:04o} {quote(path)}'

    if directory.parents:
        parts = directory.name.split('/')
        for depth in range(2, len(parts)):
            parent = '/'.join(parts[:depth])
            script.add(f'[ -d {quote(parent)} ] || {{ {make(parent)}; }}')
    script.add(
        f'[ -d {name} ] || mkdir {name}',
        chown(directory.owner, directory.group, owners, directory.name),
        f'chmod {mode:04o} {name}',
    )


def _link(script: Script, link: resources.Link, owners: Mapping[str, str]) -> None:
    name = quote(link.name)
    if link.removes:
        script.add(
            f'if [ -L {name} ]; then rm {name}',
            f'elif [ -e {name} ]; then {stop(link.name + " is no link")}; fi',
        )
        return
    script.add(
        f'if [ -d {name} ] && ! [ -L {name} ]; then {stop(link.name + " is a directory")}; fi',
        # what $() takes is newlines at the end, so one more character follows
        f'if ! [ -L {name} ] || '
        f'[ "$(readlink {name}; echo x)" != {quote(link.to)}"$(echo; echo x)" ]; then',
        f'    rm -f {name}',
        f'    ln -s -- {quote(link.to)} {name}',
        'fi',
        chown(link.owner, link.group, owners, link.name).replace('chown', 'chown -h', 1),
    )


def _line(script: Script, line: resources.Line) -> None:
    name = quote(line.name)
    temporary = quote(line.name + '.charm-image~')
    script.add(
        f'[ -f {name} ] || {{ {stop(line.name + " is no file")}; }}',
    )
    strip = 'sub(/\\r$/, "", line); ' if line.linesep == '\r\n' else ''
    end = '\\r\\n' if line.linesep == '\r\n' else '\\n'
    variables = f'LC_ALL=C charm_image_match={quote(line.expression)}'
    # the end of a line is written before the next one, so that the last may have none
    put = f'BEGIN {{ ORS = "" }} function put(line) {{ print end line; end = "{end}" }} '
    if line.removes:
        program = (
            put + f'{{ line = $0; {strip}if (line !~ ENVIRON["charm_image_match"]) put(line) }}'
            f' END {{ if (FINAL) print end }}'
        )
    else:
        if line.sensitive:
            text = f'"$(cat {quote(script.stage(line.line.encode() + b"x"))})"'
            script.add(f'set -- {text}', 'set -- "${1%x}"')
            variables += ' charm_image_line="$1"'
        else:
            variables += f' charm_image_line={quote(line.line)}'
        program = (
            put + f'{{ line = $0; {strip}'
            'if (!done && line ~ ENVIRON["charm_image_match"])'
            ' { line = ENVIRON["charm_image_line"]; done = 1 } put(line) }'
            ' END { if (!done) put(ENVIRON["charm_image_line"]); if (FINAL || !done) print end }'
        )
    script.add(
        f'{variables} awk -v FINAL="$(tail -c 1 {name} | wc -l)" '
        f'{quote(program)} {name} >{temporary}',
        f'[ "$(cat {temporary}; echo x)" = "$(cat {name}; echo x)" ] || cat {temporary} >{name}',
        f'rm {temporary}',
    )


def _execute(script: Script, execute: resources.Execute) -> None:
    setting = [f'umask {execute.umask:04o}']
    setting += [f'export {key}={quote(value)}' for key, value in execute.env.items()]
    setting += [f'cd {quote(execute.cwd)}']

    def run(words: Iterable[str]) -> str:
        body = '; '.join(setting) + f' && exec {" ".join(map(quote, words))}'
        if execute.user in (None, '0', 'root') and execute.group is None:
            return f'({body})'
        script.functions['as'] = _AS
        return f'as {quote(execute.user or "0")} {quote(execute.group or "")} {quote(body)}'

    conditions = [
        f'! [ -e {quote(path)} ]' for path in (execute.creates, execute.touch) if path is not None
    ]
    if execute.unless:
        conditions.append(f'! {run(execute.unless)} >/dev/null 2>&1')
    indent = ''
    if conditions:
        script.add(f'if {" && ".join(conditions)}; then')
        indent = '    '
    for words in execute.commands:
        if len(execute.commands) > 1:
            script.add(f'{indent}{say("+ " + shlex.join(words))}')
        if execute.returncode == 0:
            script.add(f'{indent}{run(words)}')
        else:
            script.add(
                f'{indent}{run(words)} && set -- 0 || set -- $?',
                f'{indent}[ $1 = {execute.returncode} ] || '
                f'{{ echo "exit status $1, expected {execute.returncode}" >&2; '
                'exit $(($1 ? $1 : 1)); }',
            )
    if execute.touch is not None:
        script.add(f'{indent}: >{quote(execute.touch)}')
    if script.news:
        script.add(f'{indent}{script.news}=1')
    if conditions:
        script.add('fi')


def command(resource: resources.Resource) -> str:
    """Tell in one line what is run for `resource`."""
    if isinstance(resource, resources.Execute):
        return '; '.join(commands(resource))
    verb = 'rm' if resource.removes else _VERBS[type(resource).__name__]
    return f'{verb} {one_line(resource.name)}'


def commands(execute: resources.Execute) -> list[str]:
    """Tell each of its commands in one line."""
    return [one_line(shlex.join(words)) for words in execute.commands]


_VERBS = {
    'Directory': 'mkdir',
    'File': 'copy',
    'Group': 'add group',
    'Line': 'edit',
    'Link': 'ln -s',
    'Package': 'install',
    'User': 'add user',
}


# passwd(5), group(5), shadow(5), gshadow(5). Bases differ in the programs that edit them, or have
# none, and shadow's write the date into what they make
_ACCOUNTS = r"""
field() { _key=$2 awk -F: -v n="$3" '$1 == ENVIRON["_key"] { print $n; exit }' "$1"; }
edit() {
    "$@" "$_file" >"$_file.charm-image~"
    cat "$_file.charm-image~" >"$_file"
    rm "$_file.charm-image~"
}
entry() {
    _file=$1
    [ -e "$_file" ] || : >"$_file"
    _key=$2 _line=${3-} edit awk -F: '
        $1 != ENVIRON["_key"] { print; next }
        ENVIRON["_line"] != "" && !done { print ENVIRON["_line"]; done = 1 }
        END { if (ENVIRON["_line"] != "" && !done) print ENVIRON["_line"] }'
}
unused() {
    awk -F: -v i="$1" -v last="$2" '{ used[$3] = 1 }
        END { while (i in used) i += last < i ? -1 : 1; print i }' /etc/passwd /etc/group
}
free() {
    [ -n "$(awk -F: -v n="$2" '$3 == n { print $1 }' "$1")" ] || return 0
    echo "$2 is taken in $1" >&2
    exit 1
}
group() {
    entry /etc/group "$1" "$1:x:$2:$(field /etc/group "$1" 4)"
    [ ! -e /etc/gshadow ] || [ -n "$(field /etc/gshadow "$1" 1)" ] ||
        entry /etc/gshadow "$1" "$1:!::"
}
members() {
    for _file in /etc/group /etc/gshadow; do
        [ ! -e "$_file" ] || _key=$1 _group=$2 edit awk -F: -v OFS=: '
            $1 == ENVIRON["_group"] || ENVIRON["_group"] == "" {
                n = split($4, all, ","); $4 = ""
                if (ENVIRON["_group"] != "") all[++n] = ENVIRON["_key"] ","
                for (i = 1; i <= n; i++) if (all[i] != ENVIRON["_key"]) $4 = $4 "," all[i]
                sub(/^,/, "", $4); sub(/,$/, "", $4)
            }
            { print }'
    done
}
password() {
    [ -e /etc/shadow ] || (umask 0077; : >/etc/shadow)
    _rest=$(_key=$1 awk -F: '
        $1 == ENVIRON["_key"] { sub(/^[^:]*:[^:]*:/, ""); print; exit }' /etc/shadow)
    entry /etc/shadow "$1" "$1:$2:${_rest:-::::::}"
}
""".strip().splitlines()


def _user(script: Script, user: resources.User) -> None:
    script.functions['accounts'] = _ACCOUNTS
    name = user.name
    if user.removes:
        script.add(
            f'entry /etc/passwd {name}',
            f'[ ! -e /etc/shadow ] || entry /etc/shadow {name}',
            f"members {name} ''",
            f'if [ -z "$(field /etc/group {name} 4)" ]; then',
            f'    entry /etc/group {name}',
            f'    [ ! -e /etc/gshadow ] || entry /etc/gshadow {name}',
            'fi',
        )
        return
    first, last = (999, 100) if user.system else (1000, 59999)
    own = user.group is None and user.gid is None
    script.add(
        'touch /etc/passwd /etc/group',
        *(f'_{each}=$(field /etc/passwd {name} {n})' for n, each in enumerate(_FIELDS, 3)),
        f'_new=; if [ -z "$_uid" ]; then _new=1 _home=/home/{name} _shell=/bin/sh _full=; fi',
    )
    if user.uid is None:
        script.add(f'[ -z "$_new" ] || _uid=$(unused {first} {last})')
    else:
        taken = '' if user.uid == 0 else f' || free /etc/passwd {user.uid}'
        script.add(*([f'[ "$_uid" = {user.uid} ]{taken}'] if taken else []), f'_uid={user.uid}')
    if own:
        script.add(
            'if [ -n "$_new" ]; then',
            f'    _gid=$(field /etc/group {name} 3)',
            '    if [ -z "$_gid" ]; then',
            f'        _gid=$(unused "$_uid" {last})',
            f'        group {name} "$_gid"',
            '    fi',
            # files of the user are given to that group
            f'elif [ "$(field /etc/group {name} 3)" != "$_gid" ]; then',
            f'    {stop(f"user {name} has another group; say which by group or gid")}',
            'fi',
        )
    elif user.gid is not None:
        script.add(f'_gid={user.gid}')
    else:
        script.add(_group_exists(str(user.group)), f'_gid=$(field /etc/group {user.group} 3)')
    if user.fullname is not None:
        script.add(f'_full={quote(user.fullname)}')
    if user.home is not None:
        script.add(f'_home={quote(user.home)}')
    if user.shell is not None:
        script.add(f'_shell={quote(user.shell)}')
    script.add(f'entry /etc/passwd {name} "{name}:x:$_uid:$_gid:$_full:$_home:$_shell"')
    if user.password is not None:
        script.add(f'password {name} "$(cat {quote(script.stage(user.password.encode()))})"')
    elif user.disabled_password or user.disabled_login:
        script.add(f"password {name} '{'!' if user.disabled_login else '*'}'")
    else:
        script.add(f'[ -z "$_new" ] || password {name} \'!\'')
    if user.groups and not user.append:
        script.add(f"members {name} ''")
    for each in user.groups:
        script.add(_group_exists(each), f'members {name} {each}')
    if user.home is not None:
        path = quote(user.home)
        parent = user.home.rpartition('/')[0]
        script.add(
            f'if ! [ -d {path} ]; then',
            *([f'    mkdir -p {quote(parent)}'] if parent else []),
            f'    mkdir {path}',
            f'    [ ! -d /etc/skel ] || cp -R /etc/skel/. {path}',
            f'    chmod 0755 {path}',
            f'    chown -R "$_uid:$_gid" {path}',
            'fi',
        )


_FIELDS = ('uid', 'gid', 'full', 'home', 'shell')


def _group_exists(name: str) -> str:
    return f'[ -n "$(field /etc/group {name} 1)" ] || {{ {stop(f"there is no group {name}")}; }}'


def _group(script: Script, group: resources.Group) -> None:
    script.functions['accounts'] = _ACCOUNTS
    name = group.name
    if group.removes:
        script.add(
            f'[ ! -e /etc/group ] || entry /etc/group {name}',
            f'[ ! -e /etc/gshadow ] || entry /etc/gshadow {name}',
        )
        return
    script.add('touch /etc/passwd /etc/group', f'_gid=$(field /etc/group {name} 3)')
    if group.gid is None:
        first, last = (999, 100) if group.system else (1000, 59999)
        script.add(f'[ -n "$_gid" ] || _gid=$(unused {first} {last})')
    else:
        script.add(
            f'[ "$_gid" = {group.gid} ] || free /etc/group {group.gid}', f'_gid={group.gid}'
        )
    script.add(f'group {name} "$_gid"')
