"""Why resource-get failed, from what it wrote to stderr.

Statuses and logs are open to everybody, and tools quote their input: URLs with a user and a
password, signed URLs, headers. So nothing of it is repeated but what is known here.
"""

import re

# Juju's own words, and those of Go's net, crypto/tls and net/http for what it met.
_KNOWN = re.compile(
    r'failed after retrying|not implemented for restricted context|unit is not assigned'
    r'|connection (?:refused|reset by peer|timed out|is shut down)|broken pipe|no such host'
    r'|i/o timeout|context deadline exceeded|request canceled|TLS handshake timeout'
    r'|no route to host|network is unreachable|server misbehaving|unexpected EOF|\bEOF$'
    r'|certificate signed by unknown authority|certificate has expired|certificate is not valid'
    r'|authentication required|unauthorized|permission denied|access denied|forbidden'
    r'|bad gateway|service unavailable|gateway timeout|too many requests|no space left on device'
    r'|upgrade in progress|model is being migrated|not found',
    re.IGNORECASE,
)
# Of a resource that Juju does not know, that has no image, and whose image it is still storing:
# resource/opener.go and state/resources.go of Juju 2.5 to 3.6 say it in all three cases.
_ABSENT = re.compile(r'\bresource[# ]\S+ not found$')
_MAX_CHARACTERS = 1000  # so that no expression takes long


def from_stderr(stderr: bytes) -> str:
    """Return what is known of the reason in the last line of `stderr`, or ''."""
    found = [match.group() for match in _KNOWN.finditer(_last_line(stderr))]
    return ': '.join(dict.fromkeys(found[:1] + found[-1:]))


def is_absent(stderr: bytes) -> bool:
    """Return whether `stderr` says that Juju has no image for the resource."""
    return bool(_ABSENT.search(_last_line(stderr)))


def _last_line(stderr: bytes) -> str:
    lines = stderr.decode('utf-8', 'replace').strip().splitlines()
    return lines[-1].strip()[-_MAX_CHARACTERS:] if lines else ''
