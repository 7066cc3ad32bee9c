"""The body of an upload."""

import typing

_BLOCK = 1 << 20


class Body:
    """A file's content as requests sends it fastest: blocks, and a length known before."""

    def __init__(
        self,
        size: int,
        open_blob: typing.Callable[[], typing.BinaryIO],
        progress: typing.Optional[typing.Callable[[int], None]],
    ) -> None:
        self._size = size
        self._open_blob = open_blob
        self._progress = progress or (lambda sent: None)
        self.failure: typing.Optional[BaseException] = None

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> typing.Iterator[bytes]:
        # urllib3 would take a file's OSError for the network's.
        try:
            sent = 0
            with self._open_blob() as blob:
                self._progress(sent)
                while True:
                    block = blob.read(_BLOCK)
                    if sent + len(block) > self._size or (not block and sent < self._size):
                        raise ValueError(
                            f'the blob does not have the {self._size} bytes it should'
                        )
                    if not block:
                        return
                    yield block
                    sent += len(block)
                    self._progress(sent)
        except GeneratorExit:
            raise
        except BaseException as exc:
            self.failure = exc
            raise
