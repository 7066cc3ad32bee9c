"""Where all tests of the registry client take place: loopback, and no time to lose."""

import logging
import os
import pathlib
import socket
import time

import pytest

from support import registry_case as case


@pytest.fixture(autouse=True)
def pauses(monkeypatch):
    """Time passes at once where the client waits; what it waited for, in seconds."""
    waited = []
    monkeypatch.setattr(time, 'sleep', waited.append)
    return waited


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch):
    for name in list(os.environ):
        if name.lower().endswith('_proxy') or name.endswith('_CA_BUNDLE'):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _no_secret_is_logged(caplog):
    caplog.set_level(logging.DEBUG)
    yield
    formatter = logging.Formatter()
    logged = '\n'.join(map(formatter.format, caplog.get_records('call')))
    assert not [secret for secret in case.SECRETS if secret in logged]


@pytest.fixture(autouse=True)
def names(monkeypatch):
    """DNS: every name that ends in .test is 127.0.0.1; no other is known but localhost."""
    asked = []
    real = socket.getaddrinfo

    def getaddrinfo(host, *args, **kwargs):
        asked.append(host)
        if host.endswith('.test'):
            return real('127.0.0.1', *args, **kwargs)
        if host == 'localhost' or host[0].isdigit():
            return real(host, *args, **kwargs)
        raise socket.gaierror(socket.EAI_NONAME, 'Name or service not known')

    monkeypatch.setattr(socket, 'getaddrinfo', getaddrinfo)
    return asked


@pytest.fixture(scope='module')
def authority(tmp_path_factory):
    pytest.importorskip(
        'cryptography', reason='needs cryptography: pip install -r tests/requirements.txt'
    )
    from support import certificates

    return certificates.Authority(pathlib.Path(str(tmp_path_factory.mktemp('authority'))))


@pytest.fixture
def trusted(authority, monkeypatch):
    monkeypatch.setenv('REQUESTS_CA_BUNDLE', str(authority.certificate))
    return authority
