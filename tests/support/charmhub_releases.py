"""The channels of the stand-in for Charmhub, and what is released to them.

Requests and answers have the shapes that craft-store 3.3.0 sends and reads (its models of
releases and revisions, `PublisherGateway.release`), and charmcraft 4.4.0 (`Store.release`,
`Store.list_releases`). Messages are those of Charmhub in charmcraft's issues 354 and 850; their
codes are not known. A resource that a release does not name keeps the revision that was released
before, as issue 847 tells.
"""

import re

from support import charmhub_http, charmhub_records

_RISKS = ('stable', 'candidate', 'beta', 'edge')
_WHEN = '2026-01-02T03:04:05Z'


def revisions(charm):
    """Answer GET /v1/charm/NAME/revisions."""
    return {
        'revisions': [_revision(charm, number) for number in sorted(charm.builds, reverse=True)]
    }


def listed(charm):
    """Answer GET /v1/charm/NAME/releases."""
    numbers = {release.revision for release in charm.releases.values()}
    return {
        'channel-map': [
            {
                'base': base,
                'channel': channel,
                'expiration-date': None,
                'progressive': {'paused': None, 'percentage': None},
                'resources': [
                    {'name': name, 'revision': number, 'type': charm.resources.get(name, 'file')}
                    for name, number in release.resources.items()
                ],
                'revision': release.revision,
                'when': release.when,
            }
            for channel, release in charm.releases.items()
            for base in charm.builds[release.revision].bases
        ],
        'package': {'channels': _channels(charm)},
        'revisions': [_revision(charm, number) for number in sorted(numbers)],
    }


def release(charm, body, known):
    """Answer POST /v1/charm/NAME/releases; `known` are the revisions of a resource by its name.

    All channels get the release, or none.
    """
    if not isinstance(body, list) or not body:
        raise _invalid('The body is not a list of releases')
    made = dict(_release(charm, item, known) for item in body)
    for channel, each in made.items():
        charm.count += 1
        each.when = f'2026-01-02T03:04:05.{charm.count:06}Z'
        charm.releases[channel] = each
    return {
        'released': [
            {
                'channel': channel,
                'resources': [
                    {'name': name, 'revision': number} for name, number in each.resources.items()
                ],
                'revision': each.revision,
            }
            for channel, each in made.items()
        ]
    }


def _release(charm, item, known):
    if not isinstance(item, dict) or set(item) != {'channel', 'revision', 'resources'}:
        raise _invalid('A release has channel, revision and resources')
    channel = _full(charm, item['channel'])
    number = item['revision']
    if type(number) is not int or number not in charm.builds:
        raise charmhub_http.Refusal(
            404, 'resource-not-found', f'Revision {number} not found for charm {charm.id!r}'
        )
    if (status := charm.builds[number].status) != 'approved':
        raise _invalid(f'Revision {number} is {status}')
    resources = {}
    for resource in item['resources']:
        if set(resource) != {'name', 'revision'} or type(resource['revision']) is not int:
            raise _invalid('A resource has name and revision')
        resources[resource['name']] = resource['revision']
    names = charm.declared(number)
    for name, revision in resources.items():
        if name not in names:
            raise _about(charm, number, f'Resource {name!r} is not valid for')
        if revision not in known(name):
            raise _about(
                charm, number, f'Resource {name!r} with revision {revision} does not exist for'
            )
    for name in names:
        if name not in resources:
            before = [charm.releases[channel]] if channel in charm.releases else []
            before += reversed(list(charm.releases.values()))
            found = [each.resources[name] for each in before if name in each.resources]
            if not found:
                raise _about(charm, number, f"Resource {name!r} doesn't have a released revision")
            resources[name] = found[0]
    return channel, charmhub_records.Release(number, resources)


def _full(charm, channel):
    parts = channel.split('/') if isinstance(channel, str) else []
    if parts and parts[0] in _RISKS:
        parts.insert(0, 'latest')
    valid = len(parts) in (2, 3) and parts[1] in _RISKS
    if not valid or not all(re.fullmatch('[A-Za-z0-9._-]{1,28}', part) for part in parts):
        raise _invalid(f'{channel!r} is not a valid channel')
    if parts[0] not in charm.tracks:
        raise _invalid(f'Track {parts[0]!r} does not exist')
    return '/'.join(parts)


def _invalid(message):
    return charmhub_http.Refusal(400, 'invalid-request', message)


def _about(charm, number, message):
    between = '' if message.endswith(' for') else ' for'
    return _invalid(f'{message}{between} charm with id {charm.id!r} and revision {number}')


def _revision(charm, number):
    build = charm.builds[number]
    is_released = any(release.revision == number for release in charm.releases.values())
    return {
        'bases': build.bases,
        'created-at': _WHEN,
        'created-by': None,
        'errors': None,
        'revision': number,
        'sha3-384': f'{number:096x}',
        'size': 1000 + number,
        'status': 'released' if is_released else build.status,
        'version': str(number),
    }


def _channels(charm):
    names = [f'{track}/{risk}' for track in charm.tracks for risk in _RISKS]
    names += [name for name in charm.releases if name not in names]
    channels = []
    for name in names:
        track, risk, *branch = name.split('/')
        riskier = _RISKS[_RISKS.index(risk) - 1] if risk != 'stable' else None
        fallback = f'{track}/{riskier}' if riskier else None
        channels.append(
            {
                'branch': branch[0] if branch else None,
                'fallback': f'{track}/{risk}' if branch else fallback,
                'name': name,
                'risk': risk,
                'track': track,
            }
        )
    return channels
