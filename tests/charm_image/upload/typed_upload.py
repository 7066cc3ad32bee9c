"""What mypy finds in a program that uploads: each ignored error has to be found."""

from charm_image import (
    Error,
    Progress,
    RegistryError,
    RejectedError,
    ReviewPendingError,
    UnavailableError,
    upload,
)


def upload_all(upload_id: str) -> int | None:
    with upload.Uploader() as uploader:
        done = uploader.upload_image('my-charm', 'my-resource', '70aa8983ec5c', progress=print)
        print(done.revision, done.digest, done.architectures)
        uploader.upload_file('my-charm', 'my-data', 'data.tar.gz')
        uploader.copy_image('my-charm', 'my-resource', 'docker.io/library/nginx@sha256:…')
        results: list[upload.Result] = uploader.upload_charm('.')
        uploader.resume('my-charm', 'my-resource', upload_id)

        uploader.upload_image('my-charm', 'my-resource', ['amd64.rock', 'arm64.rock'])
        uploader.copy_image('a', 'b', 'c', platforms=['linux/amd64'], with_signatures=True)
        for each in uploader.revisions('my-charm', 'my-resource'):
            print(each.revision, each.digest, each.channels)
        uploader.upload_file('my-charm', 'my-data', 'a', architectures=['amd64'])
        uploader.upload_charm('.', images={'app': 'app.rock'}, only=['app'], dry_run=True)
        uploader.release('my-charm', ['latest/edge'], {'my-resource': done.revision})
        uploader.upload_file('my-charm', 'my-data', b'data')  # type: ignore[arg-type]
        uploader.upload_file('my-charm', 'my-data')  # type: ignore[call-arg]
        uploader.upload_image('my-charm', 'my-resource', 7)  # type: ignore[arg-type]
        uploader.upload_image('my-charm', 'my-resource', 'a', print)  # type: ignore[call-arg]
        uploader.copy_image('my-charm', 'my-resource', source='a')  # type: ignore[call-arg]
        uploader.upload_charm('.', images=['app.rock'])  # type: ignore[arg-type]
        done.revision = 5  # type: ignore[misc]
        print(done.revison)  # type: ignore[attr-defined]
        return results[0].revision


def show(progress: Progress) -> None:
    print(progress, progress.state, progress.text, progress.done, progress.total)


def show_number(progress: int) -> None:
    print(progress)


def run(upload_id: str) -> str:
    uploader = upload.Uploader(credentials='…', engine='unix:///run/podman/podman.sock')
    upload.Uploader('…')  # type: ignore[call-arg]
    uploader.copy_image('a', 'b', 'c', progress=show_number)  # type: ignore[arg-type]
    try:
        uploader.resume('my-charm', 'my-resource', upload_id, progress=show, review_timeout=60)
    except ReviewPendingError as error:
        return error.upload_id
    except RejectedError as error:
        return ', '.join(each['message'] for each in error.errors)
    except (RegistryError, UnavailableError) as error:
        return f'again in {error.retry_after or 0:.0f} s'
    except Error as error:
        print(error.code, error.status, error.codes, error.registry, error.reference)
        print(error.resource, error.line, error.wrong)  # type: ignore[attr-defined]
        return error.resolution or error.message
    finally:
        uploader.close()
    return ''
