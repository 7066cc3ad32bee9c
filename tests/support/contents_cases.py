"""What a resource's file may hold, and what of it is right: for the parser and for a built charm.

`RIGHT` has for each name the bytes and the (registry path, username, password) in them; `WRONG`
the bytes of files that name no image; `UNREADABLE` and `OVERSIZED` a shell script that makes, at
"$1", what is no readable file, or too large a one; `RIGHT_REFERENCES` and `WRONG_REFERENCES` what
`registrypath` may say and may not.
Every secret in here is `SECRET`, so that a test can look for it.
"""

SECRET = 's3cr3t-pa55'
DIGEST = 'sha256:' + '0123456789abcdef' * 4


def _yaml(*lines):
    return '\n'.join(lines).encode() + b'\n'


def _path(reference):
    return reference, '', ''


RIGHT = {
    'a public image as Juju writes it': (
        _yaml('registrypath: docker.io/library/nginx:1.27', 'username: ""', 'password: ""'),
        _path('docker.io/library/nginx:1.27'),
    ),
    'a private image as Juju writes it': (
        _yaml(
            'registrypath: registry.example/a/b@' + DIGEST, 'username: me', 'password: ' + SECRET
        ),
        ('registry.example/a/b@' + DIGEST, 'me', SECRET),
    ),
    'a byte order mark': (b'\xef\xbb\xbfregistrypath: a/b\n', _path('a/b')),
    'lines that end with CRLF': (
        b'registrypath: a/b\r\nusername: me\r\npassword: ' + SECRET.encode() + b'\r\n',
        ('a/b', 'me', SECRET),
    ),
    'the JSON spelling': (
        b'{"ImageName": "a/b:1", "Username": "me", "Password": "' + SECRET.encode() + b'"}',
        ('a/b:1', 'me', SECRET),
    ),
    'the JSON spelling in lower case': (
        b'{"imagename": "a/b", "username": "me", "password": "' + SECRET.encode() + b'"}',
        ('a/b', 'me', SECRET),
    ),
    'JSON over several lines with tabs': (b'{\n\t"ImageName": "a/b"\n}\n', _path('a/b')),
    'JSON with numbers for credentials': (
        b'{"ImageName": "a/b", "Username": 10, "Password": 1.50}',
        ('a/b', '10', '1.50'),
    ),
    'no newline at the end': (b'registrypath: a/b', _path('a/b')),
    'no credentials': (_yaml('registrypath: a/b'), _path('a/b')),
    'null credentials': (
        _yaml('registrypath: a/b', 'username: null', 'password: ~'),
        _path('a/b'),
    ),
    'blank credentials': (_yaml('registrypath: a/b', 'username:', 'password:'), _path('a/b')),
    'a password of digits with a leading zero': (
        _yaml('registrypath: a/b', 'username: 0010', 'password: 0123'),
        ('a/b', '0010', '0123'),
    ),
    'a password that YAML takes for an exponent': (
        _yaml('registrypath: a/b', 'username: 1_000', 'password: 1e3'),
        ('a/b', '1_000', '1e3'),
    ),
    'a username yes and a password no': (
        _yaml('registrypath: a/b', 'username: yes', 'password: no'),
        ('a/b', 'yes', 'no'),
    ),
    'a username on and a password True': (
        _yaml('registrypath: a/b', 'username: on', 'password: True'),
        ('a/b', 'on', 'True'),
    ),
    'a password that is a time of day': (
        _yaml('registrypath: a/b', 'username: 2001-01-01', 'password: 12:30:45'),
        ('a/b', '2001-01-01', '12:30:45'),
    ),
    'a password that is a lone equals sign': (
        _yaml('registrypath: a/b', 'username: me', 'password: ='),
        ('a/b', 'me', '='),
    ),
    'a password of many lines': (
        _yaml(
            'registrypath: a/b', 'username: _json_key', 'password: |', '  {', '    "a": 1', '  }'
        ),
        ('a/b', '_json_key', '{\n  "a": 1\n}\n'),
    ),
    'a password of 64 KiB': (
        _yaml('registrypath: a/b', 'username: me', 'password: ' + 'x' * 65536),
        ('a/b', 'me', 'x' * 65536),
    ),
    'a password beyond ASCII': (
        'registrypath: a/b\nusername: j\u00fcrgen\npassword: "\u2603 \U0001f433"\n'.encode(),
        ('a/b', 'j\u00fcrgen', '\u2603 \U0001f433'),
    ),
    'unknown keys of every type': (
        _yaml(
            'registrypath: a/b',
            'email: me@example.com',
            'auth: [1, 2.5, null, true, 2001-01-01]',
            'identitytoken: {deep: {er: [{}]}}',
            'blob: !!binary aGVsbG8=',
            'choice: !!set {x, y}',
            '1: one',
            'null: nothing',
            '2001-01-01: a day',
            '? [a, list]',
            ': a key',
        ),
        _path('a/b'),
    ),
    'anchors, aliases and merges among unknown keys': (
        _yaml('base: &base {x: 1}', 'other: {<<: *base}', 'registrypath: a/b'),
        _path('a/b'),
    ),
    'comments and a document start': (
        _yaml('# by hand', '---', 'registrypath: a/b  # the image', '...'),
        _path('a/b'),
    ),
    'JSON with escapes of its own': (
        b'{"registrypath": "a\\/b", "password": "\\ud83d\\ude00\\u0000"}',
        ('a/b', '', '\U0001f600\0'),
    ),
    'an alias for a username': (
        _yaml('x: &x me', 'registrypath: a/b', 'username: *x'),
        ('a/b', 'me', ''),
    ),
    'both spellings': (_yaml('registrypath: a/b', 'ImageName: c/d'), _path('a/b')),
    'quoted digits for a name': (_yaml('registrypath: "42"'), _path('42')),
    'flow style': (_yaml('{registrypath: a/b, username: me}'), ('a/b', 'me', '')),
    'a short name': (_yaml('registrypath: nginx'), _path('nginx')),
    'a name and a tag': (_yaml('registrypath: nginx:1.27'), _path('nginx:1.27')),
    'what looks like an address and a port': (
        _yaml('registrypath: 192.168.0.1:80'),
        _path('192.168.0.1:80'),
    ),
    'a port': (_yaml('registrypath: localhost:5000/a'), _path('localhost:5000/a')),
    'an IPv6 host': (
        _yaml('registrypath: "[2001:db8::1]:5000/a:t"'),
        _path('[2001:db8::1]:5000/a:t'),
    ),
    'an upper-case host and tag': (
        _yaml('registrypath: Reg.EXAMPLE/a:V1'),
        _path('Reg.EXAMPLE/a:V1'),
    ),
    'a digest': (_yaml('registrypath: a/b@' + DIGEST), _path('a/b@' + DIGEST)),
    'a tag and a digest': (_yaml('registrypath: a/b:1@' + DIGEST), _path('a/b:1@' + DIGEST)),
    'a sha512 digest': (
        _yaml('registrypath: a/b@sha512:' + '0123456789abcdef' * 8),
        _path('a/b@sha512:' + '0123456789abcdef' * 8),
    ),
    'separators of all kinds': (
        _yaml('registrypath: a.b/c__d/e---f/g_h.i'),
        _path('a.b/c__d/e---f/g_h.i'),
    ),
}


def _bomb():
    lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x]']
    for level in range(1, 12):
        aliases = ', '.join([f'*a{level - 1}'] * 9)
        lines.append(f'a{level}: &a{level} [{aliases}]')
    return _yaml(*(lines + ['registrypath: a/b']))


def _reference(reference):
    return _yaml(f"registrypath: '{reference}'", 'username: me', 'password: ' + SECRET)


WRONG = {
    'nothing': b'',
    'blanks': b' \n\t\n  \n',
    'a comment only': b'# nothing here\n',
    'a document without content': b'---\n...\n',
    'what is not YAML': b'registrypath: [a/b\n',
    'what is not YAML, with a password': _yaml('password: ' + SECRET, 'registrypath: {', '%'),
    'a tab that YAML refuses': b'registrypath:\n\ta/b\n',
    'what is not UTF-8': b'registrypath: a/b\xff\npassword: ' + SECRET.encode() + b'\n',
    'UTF-16': 'registrypath: a/b\n'.encode('utf-16'),
    'a NUL': b'registrypath: a/b\x00\npassword: ' + SECRET.encode() + b'\n',
    'a scalar': b'a/b:1\n',
    'a number': b'17\n',
    'a list': b'- registrypath: a/b\n',
    'two documents': b'registrypath: a/b\n---\nregistrypath: c/d\n',
    'no registrypath': _yaml('username: me', 'password: ' + SECRET),
    'a path under another key': _yaml('path: a/b'),
    'a null registrypath': _yaml('registrypath: null'),
    'a blank registrypath': _yaml('registrypath: "  "'),
    'an empty registrypath': _yaml('registrypath: ""'),
    'a registrypath that is a list': _yaml('registrypath: [a/b]'),
    'a registrypath that is a mapping': _yaml('registrypath: {a: b}'),
    'a username that is a list': _yaml('registrypath: a/b', 'username: [' + SECRET + ']'),
    'a username that is a mapping': _yaml('registrypath: a/b', 'username: {a: ' + SECRET + '}'),
    'a password that is a list': _yaml('registrypath: a/b', 'password: [' + SECRET + ']'),
    'a password that is a mapping': _yaml('registrypath: a/b', 'password: {a: ' + SECRET + '}'),
    'a registrypath that is a number': _yaml('registrypath: 42', 'password: ' + SECRET),
    'a registrypath that is a truth value': _yaml('registrypath: no', 'password: ' + SECRET),
    'a registrypath that is a time': _yaml('registrypath: 12:30', 'password: ' + SECRET),
    'a registrypath that is binary': _yaml('registrypath: !!binary YS9i'),
    'two registrypaths': _yaml('registrypath: a/b', 'registrypath: c/d', 'password: ' + SECRET),
    'two passwords': _yaml('registrypath: a/b', 'password: x', 'password: ' + SECRET),
    'a password of a lone surrogate': _yaml('registrypath: a/b', r'password: "\ud800"'),
    'an impossible escape': _yaml('registrypath: a/b', r'password: "\UFFFFFFFF"'),
    'JSON whose ImageName is a number': b'{"ImageName": 42, "Password": "'
    + SECRET.encode()
    + b'"}',
    'JSON whose ImageName is blank': b'{"ImageName": " "}',
    'JSON whose ImageName is a URL': b'{"ImageName": "https://example.com/a"}',
    'JSON with the key of YAML in another case': b'{"RegistryPath": "a/b"}',
    "somebody's own tag": _yaml('registrypath: a/b', 'x: !mine 1', 'password: ' + SECRET),
    'a loop in a key': _yaml('&x', 'registrypath: a/b', '? *x', ': y', 'password: ' + SECRET),
    'a megabyte of small things': b'registrypath: a/b\nx: [' + b'a,' * 500000 + b']',
    'more than a megabyte': b'registrypath: a/b\n#' + b'x' * 1048576,
    'JSON whose password is a list': (
        b'{"ImageName": "a/b", "Password": ["' + SECRET.encode() + b'"]}'
    ),
    'broken JSON': b'{"ImageName": "a/b", "Password": "' + SECRET.encode() + b'"',
    'a Python tag': b'!!python/object/apply:os.system ["touch /tmp/owned"]\n',
    'a Python tag for the password': _yaml(
        'registrypath: a/b', 'password: !!python/object/new:str ["' + SECRET + '"]'
    ),
    'an alias bomb': _bomb(),
    'a loop': _yaml('&loop', 'registrypath: a/b', 'again: *loop'),
    'a loop for a password': _yaml('registrypath: a/b', 'password: &p [*p]'),
    'an alias to nothing': _yaml('registrypath: *nothing'),
    'ten thousand brackets': b'registrypath: ' + b'[' * 10000,
    'ten thousand brackets of JSON': b'{"ImageName": ' + b'[' * 10000,
    'a reference with a space': _reference('a/b c'),
    'a reference with a newline': _yaml('registrypath: "a/b\\nc"', 'password: ' + SECRET),
    'a reference that ends with a newline': _yaml('registrypath: "a/b\\n"'),
    'a reference with a command': _reference('a/b;touch${IFS}/tmp/owned'),
    'a reference with a substitution': _reference('$(touch /tmp/owned)'),
    'a reference with backquotes': _reference('`id`/b'),
    'a reference with an option': _reference('--help'),
    'a reference with an upper-case path': _reference('example.com/A/b'),
    'a reference with a short digest': _reference('a/b@sha256:0123'),
    'a reference with an upper-case digest': _reference('a/b@' + DIGEST.replace('a', 'A')),
    'a reference with an unknown digest': _reference('a/b@md5:' + '0' * 32),
    'a reference with a scheme': _reference('https://example.com/a/b'),
    'a reference with credentials': _reference('me:' + SECRET + '@example.com/a/b'),
    'a reference with a token in its query': _reference('example.com/a/b?token=' + SECRET),
    'a bare digest': _reference('0123456789abcdef' * 4),
    'a reference without a name': _reference(':tag'),
    'a reference that ends with a slash': _reference('a/b/'),
    'a reference with two dots': _reference('a/../b'),
    'a reference beyond ASCII': 'registrypath: \u0430/b\n'.encode(),
    'a reference of 4 KiB': _reference('a/' * 2048 + 'b'),
    'a tag of 129 characters': _reference('a/b:' + 't' * 129),
    'a control character': b'registrypath: a/b\x1b[31m\n',
}

UNREADABLE = {
    'a directory': 'mkdir "$1"',
    'a FIFO': 'mkfifo "$1"',
    '/dev/zero': 'ln -s /dev/zero "$1"',
    'a link to itself': 'ln -s "$1" "$1"',
    'no file': ':',
}
OVERSIZED = {'fifty megabytes': f'yes "password: {SECRET}" | head -c 52428800 > "$1"'}
# A file without permission is no case here: root may read it.

# Forms of a valid reference, and what they mean: domain, path, tag, digest.
RIGHT_REFERENCES = {
    'nginx': ('docker.io', 'library/nginx', '', ''),
    'nginx:1.2': ('docker.io', 'library/nginx', '1.2', ''),
    'team/app': ('docker.io', 'team/app', '', ''),
    'docker.io/nginx': ('docker.io', 'library/nginx', '', ''),
    'index.docker.io/team/app': ('docker.io', 'team/app', '', ''),
    'registry.example.com/app': ('registry.example.com', 'app', '', ''),
    'registry.example.com:5000/a/b/c:V_1.x-y': (
        'registry.example.com:5000',
        'a/b/c',
        'V_1.x-y',
        '',
    ),
    'localhost/app': ('localhost', 'app', '', ''),
    'localhost:5000/app': ('localhost:5000', 'app', '', ''),
    '127.0.0.1:5000/app:1': ('127.0.0.1:5000', 'app', '1', ''),
    '[2001:db8::1]/app': ('[2001:db8::1]', 'app', '', ''),
    '[2001:DB8::1]:5000/app:1': ('[2001:DB8::1]:5000', 'app', '1', ''),
    'Registry/app': ('Registry', 'app', '', ''),
    'test.com:5000': ('docker.io', 'library/test.com', '5000', ''),
    f'app@{DIGEST}': ('docker.io', 'library/app', '', DIGEST),
    f'r.io/app:1@{DIGEST}': ('r.io', 'app', '1', DIGEST),
    'app@sha512:' + 'ab' * 64: ('docker.io', 'library/app', '', 'sha512:' + 'ab' * 64),
    'a__b/c.d/e_f/g---h': ('docker.io', 'a__b/c.d/e_f/g---h', '', ''),
    'app:' + 'x' * 128: ('docker.io', 'library/app', 'x' * 128, ''),
    'r.io/' + 'a' * 250: ('r.io', 'a' * 250, '', ''),
    'x/' + 'a' * 64: ('docker.io', 'x/' + 'a' * 64, '', ''),
    'a' * 64 + ':1': ('docker.io', 'library/' + 'a' * 64, '1', ''),
}

# Texts that look like references to those who type them, and are none.
WRONG_REFERENCES = [
    '',
    ' ',
    'a b',
    'a/b ',
    '\na/b',
    'a/b\n',
    'a/b:1\n',
    'a\tb',
    'a\0b',
    'a;reboot',
    '$(reboot)',
    '`reboot`',
    'a|b',
    'a&b',
    "a'b",
    'a"b',
    'a\\b',
    'a/*',
    'a/Upper',
    'r.io/Upper/a',
    'UPPER',
    'Upper:1',
    f'a@{DIGEST[:-1]}',
    f'a@{DIGEST}0',
    f'a@{DIGEST.upper()}',
    f'a@{DIGEST[:-1]}G',
    f'a@{DIGEST[7:]}',
    'a@sha1:' + 'a' * 40,
    'a@md5:' + 'a' * 32,
    'a@',
    f'@{DIGEST}',
    ':1',
    'a:',
    'a:.1',
    'a:-1',
    'a:' + 'x' * 129,
    'a:1:2',
    f'a@{DIGEST}:1',
    f'a@{DIGEST}@{DIGEST}',
    'http://r.io/a',
    'https://r.io/a:1',
    'docker://r.io/a',
    'oci://r.io/a',
    f'me:{SECRET}@r.io/a',
    f'https://me:{SECRET}@r.io/a',
    '/a',
    'a/',
    'a//b',
    'r.io//a',
    '-a',
    'a-',
    'a/-b',
    'a..b',
    'a___b',
    'a._b',
    '../a',
    './a',
    '/var/lib/a.tar',
    '-r.io/a',
    'r-.io/a',
    'r..io/a',
    'r.io:/a',
    'r.io:x/a',
    'my_host.io/a',
    '[::1/a',
    '[fe80::1%eth0]/a',
    '[::g]/a',
    'a' * 64,
    'zażółć',
    'a/b\u200b',
    'r.io/' + 'a' * 251,
    'a' * 100000,
    'a-' * 50000,
]
