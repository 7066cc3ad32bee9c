"""The scripts of Package for each package manager: apt, apk, dnf, microdnf and yum."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from charm_image.resources._shell import quote, stop

if TYPE_CHECKING:
    from charm_image.resources._package import Package

#: The supported package managers, in the order in which an image is searched for them.
NAMES = ('apt', 'apk', 'dnf', 'microdnf', 'yum')

#: A command that prints the installed packages, with every package manager in the image.
INSTALLED = (
    "{ dpkg-query -W -f '${binary:Package} ${Version} ${db:Status-Status}\\n' || :; "
    'apk info -v || :; rpm -qa | sort || :; } 2>/dev/null'
)


def script(group: list[Package]) -> list[str]:
    """Return the script that installs or removes packages of one backend together."""
    backend = group[0].backend
    tools = (backend,) if backend else NAMES
    lines: list[str] = []
    for tool in tools:
        word = 'elif' if lines else 'if'
        lines.append(f'{word} command -v {"apt-get" if tool == "apt" else tool} >/dev/null; then')
        lines += ['    ' + line for line in _SCRIPTS[tool](group)]
    managers = backend or 'apt, apk, dnf, microdnf or yum'
    return [
        *lines,
        'else',
        f'    echo "the image has no package manager: it needs {managers}" >&2',
        '    exit 127',
        'fi',
    ]


def _apt(group: list[Package]) -> list[str]:
    if group[0].removes:
        purge = group[0].purge
        lines = ['set --']
        for package in group:
            name = quote(package.name)
            status = f"dpkg-query -W -f '${{db:Status-Status}}' {name} 2>/dev/null || :"
            # a package that was removed without its configuration is still listed
            there = f'[ -z "$({status})" ]' if purge else f'[ "$({status})" != installed ]'
            lines.append(f'{there} || set -- "$@" {name}')
        verb = 'purge' if purge else 'remove'
        return [*lines, f'[ $# = 0 ] || DEBIAN_FRONTEND=noninteractive apt-get {verb} -qq -y "$@"']
    lines = ['set --']
    for package in group:
        form, have = '${db:Status-Status}', 'installed'
        if package.version is not None:
            form, have = '${db:Status-Status} ${Version}', f'installed {package.version}'
        spec = package.name + (f'={package.version}' if package.version else '')
        lines.append(
            f'[ "$(dpkg-query -W -f {quote(form)} {quote(package.name)} 2>/dev/null || :)" = '
            f'{quote(have)} ] || set -- "$@" {quote(spec)}'
        )
    # apt reads an unknown name with one of these characters as a regular expression
    unclear = sorted({each.name.partition(':')[0] for each in group if set('.+') & set(each.name)})
    return [
        *lines,
        'if [ $# != 0 ]; then',
        '    apt-get update -qq',
        *(
            f'    apt-cache --all-names pkgnames {quote(name)} | grep -Fqx -e {quote(name)} || '
            f'{{ {stop(f"E: Unable to locate package {name}", 100)}; }}'
            for name in unclear
        ),
        '    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends'
        ' --allow-downgrades -o Dpkg::Options::=--force-confdef'
        ' -o Dpkg::Options::=--force-confold "$@"',
        '    rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/apt/archives/*.deb',
        'fi',
    ]


def _apk(group: list[Package]) -> list[str]:
    if not group[0].removes:
        names = (
            package.name + (f'={package.version}' if package.version else '') for package in group
        )
        return [f'apk add --no-cache {" ".join(map(quote, names))}']
    purge = ' --purge' if group[0].purge else ''
    there = 'apk info 2>/dev/null | grep -Fqx -e'
    return [
        'set --',
        # apk fails for a package that is not installed
        *(
            f'! {there} {quote(package.name)} || set -- "$@" {quote(package.name)}'
            for package in group
        ),
        'if [ $# != 0 ]; then',
        f'    apk del --no-cache{purge} "$@"',
        # apk succeeds, but keeps packages that others depend on
        '    for _name in "$@"; do',
        f'        ! {there} "$_name" || {{ echo "apk did not remove $_name" >&2; exit 1; }}',
        '    done',
        'fi',
    ]


def _rpm(tool: str) -> Callable[[list[Package]], list[str]]:
    weak = '--setopt=install_weak_deps=0'
    clean = 'rm -rf /var/cache/dnf /var/cache/libdnf5 /var/cache/yum'

    def script(group: list[Package]) -> list[str]:
        names = ' '.join(
            quote(package.name + (f'-{package.version}' if package.version else ''))
            for package in group
        )
        if group[0].removes:
            return [f'{tool} remove -y {names}', clean]
        install = [f'{tool} install -y {weak} {names}']
        if tool == 'yum':
            install = [
                # yum 3 does not know weak dependencies; later versions are dnf
                f'case $(yum --version) in 3.*) set -- ;; *) set -- {weak} ;; esac',
                f'yum install -y "$@" {names}',
            ]
        return [*install, f'{tool} clean all', clean]

    return script


_SCRIPTS: dict[str, Callable[[list[Package]], list[str]]] = {
    'apt': _apt,
    'apk': _apk,
    'dnf': _rpm('dnf'),
    'microdnf': _rpm('microdnf'),
    'yum': _rpm('yum'),
}
