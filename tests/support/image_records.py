"""Images, and what becomes of the record of a resource that has them."""

from image_resource import records
from image_resource.records import VALID, Image, Outcome, Record

A = Image('a/a:1', '', '', '')
B = Image('a/b:1', '', '', '')
SECRET_A = Image('a/a:1', 'me', 's3cr3t', '')


def read(image, digest=''):
    return Outcome(VALID, image=image._replace(digest=digest))


def applied(record, *, images=(), auto_fetched=(), errors=None, is_other=True, requested=()):
    before = {'name': record} if record != Record() else {}
    after = records.apply_metadata(before, images, auto_fetched, errors or {}, is_other, requested)
    return after.get('name', Record())
