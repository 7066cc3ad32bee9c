"""Measures how long a hook looks up 1, 5 and 10 images at a slow registry, in parallel or not.

Each response of the registry and of its token server takes 100 ms, or `--delay`; a look-up needs
three of them. Prints medians of interleaved rounds, and the ratio to one image.
"""

import argparse
import hashlib
import json
import pathlib
import statistics
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / 'tests'))

import figures

from container_image import reference, registry
from support import loopback

DIGEST = 'sha256:' + hashlib.sha256(b'').hexdigest()


def slow_registry(delay):
    """Return a handler for `loopback.serving`: a registry that requires tokens."""

    def answer(exchange):
        time.sleep(delay)
        if exchange.path.startswith('/token'):
            exchange.reply(200, json.dumps({'token': 'token'}).encode())
        elif exchange.headers.get('Authorization'):
            exchange.reply(200, Docker_Content_Digest=DIGEST)
        else:
            realm = f'http://{exchange.headers["Host"]}/token'
            exchange.reply(401, WWW_Authenticate=f'Bearer realm="{realm}"')

    return answer


def at_once(images):
    """Look up all images as the layer does."""
    return registry.look_up(images, limit=60)


def in_turn(images):
    """Look up the images one by one."""
    return {
        name: answer
        for name, image in images.items()
        for answer in registry.look_up({name: image}, limit=60).values()
    }


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument(
        '--delay', type=float, default=100, help='of each response, in ms (default: %(default)s)'
    )
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--json', **figures.OPTION)
    arguments = parser.parse_args()

    ways = [(at_once, count) for count in (1, 5, 10)] + [(in_turn, 10)]
    seconds = {way: [] for way in ways}
    with loopback.serving(slow_registry(arguments.delay / 1000)) as url:
        host = url.partition('//')[2]
        for _ in range(arguments.rounds):
            for look_up, count in ways:
                images = {
                    str(number): (
                        reference.Reference.parse(f'{host}/app:{number}'),
                        'me',
                        'secret',
                    )
                    for number in range(count)
                }
                began = time.monotonic()
                answers = look_up(images)
                seconds[look_up, count].append(time.monotonic() - began)
                assert set(answers.values()) == {DIGEST}, answers
    one = statistics.median(seconds[at_once, 1])
    print(f'{"images":>8} {"":10} {"seconds":>8} {"ratio":>6}')
    costs = []
    for (look_up, count), times in seconds.items():
        median = statistics.median(times)
        name = look_up.__name__.replace('_', ' ')
        print(f'{count:8} {name:10} {median:8.3f} {median / one:6.2f}')
        costs.append({'images': count, 'way': name, 'seconds': times})
    figures.write(arguments.json, [], delay=arguments.delay / 1000, costs=costs)


if __name__ == '__main__':
    main()
