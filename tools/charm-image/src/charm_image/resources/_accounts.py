"""Edits the files of users and groups in an image, with a shell and awk."""

from charm_image.resources._shell import stop

# passwd(5), group(5), shadow(5), gshadow(5). Bases have different programs to edit them, or none,
# and those of shadow write the current date into their entries
FUNCTIONS = r"""
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
    echo "the ID $2 is already in use in $1" >&2
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

#: A command that prints all users and groups.
SNAPSHOT = 'cat /etc/passwd /etc/group /etc/shadow /etc/gshadow 2>/dev/null || :'


def first_and_last(system: bool) -> tuple[int, int]:
    """Return the first and the last ID to try for a new account."""
    return (999, 100) if system else (1000, 59999)


def group_exists(name: str) -> str:
    """Return a command that ends the script if the group `name` does not exist."""
    missing = stop(f'the group {name} does not exist')
    return f'[ -n "$(field /etc/group {name} 1)" ] || {{ {missing}; }}'
