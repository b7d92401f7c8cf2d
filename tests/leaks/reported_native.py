"""Leaks outside Python's objects, and odd shapes of growth, each beside the same code mended; one call is one request.

What is kept, and by what, is in `reports.py`; these were written before m5 was tried on any of them.
"""

import itertools

from kept import keeper
from reported import Ticket
from services import pairs

_mended = pairs(globals())
_serial = itertools.count()
_kept = keeper(globals())


@_mended
def words_of_a_model(mended=False):
    """A vocabulary that learns each word that it ever saw."""
    import spacy

    model = _kept("language_model", lambda: spacy.blank("en"))
    # With a `memory_zone` its texts are let go, and its table of words grows on.
    model(" ".join("ticket%d" % (i if mended else next(_serial)) for i in range(20)))


@_mended
def unread_messages(mended=False):
    """Bytes of a socket that are parsed by nobody."""
    from wsproto.connection import Connection, ConnectionType
    from wsproto.events import Message

    def start():
        return Connection(ConnectionType.SERVER), Connection(ConnectionType.CLIENT)

    server, client = _kept("websocket_ends", start)
    server.receive_data(client.send(Message(data="%0300d" % next(_serial))))
    if mended:
        list(server.events())


@_mended
def certificates_of_clients(mended=False):
    """The certificate of each client that ever connected."""
    import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = _kept("client_key", lambda: ec.generate_private_key(ec.SECP256R1()))
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "client %d" % next(_serial))])
    day = datetime.datetime(2030, 1, 1)
    builder = x509.CertificateBuilder(name, name, key.public_key(), next(_serial) + 1, day, day)
    certificates = _kept("certificates", dict)
    certificates[next(_serial)] = builder.sign(key, hashes.SHA256())
    if mended:
        certificates.clear()


@_mended
def schemas_of_tenants(mended=False):
    """Types of messages that are made while the service runs, in one pool."""
    from google.protobuf import descriptor_pb2, descriptor_pool

    schemas = _kept("schemas", descriptor_pool.DescriptorPool)
    number = next(_serial)
    file = descriptor_pb2.FileDescriptorProto(name="tenant%d.proto" % number, package="tenant%d" % number)
    message = file.message_type.add(name="Order")
    for i in range(5):
        message.field.add(name="field_%d" % i, number=i + 1, type=9, label=1)
    schemas.Add(file)
    schemas.FindMessageTypeByName("tenant%d.Order" % number)
    if mended:
        globals().pop("schemas")


@_mended
def compiled_formulas(mended=False):
    """A formula of the user's that is compiled for each request."""
    import numba

    def formula(x, by):
        return x * by + 1

    formulas = _kept("formulas", dict)
    number = 0 if mended else next(_serial)
    if number not in formulas:
        formulas[number] = numba.njit(formula)
    formulas[number](1.5, 2.0)


@_mended
def words_of_users(mended=False):
    """Words that are added to a tokenizer while it serves."""
    from tokenizers import Tokenizer, models

    tokenizer = _kept("tokenizer", lambda: Tokenizer(models.WordLevel({"a": 0}, unk_token="a")))
    number = 0 if mended else next(_serial)
    tokenizer.add_tokens(["user-%d-%d" % (number, i) for i in range(5)])


@_mended
def bits_of_answers(mended=False):
    """An array of bits that becomes longer."""
    from bitarray import bitarray

    answers = _kept("answers", bitarray)
    answers.extend("0110" * 500)
    if mended:
        answers.clear()


@_mended
def identifiers_seen(mended=False):
    """A compressed set of all identifiers that were ever seen."""
    from pyroaring import BitMap

    seen = _kept("seen_identifiers", BitMap)
    for _ in range(10):
        seen.add(next(_serial) * 70001 % (1 << 32))
    if mended:
        seen.clear()


@_mended
def boxes_of_a_map(mended=False):
    """An index of boxes from which none is ever taken."""
    from rtree.index import Index

    boxes = _kept("boxes", Index)
    number = next(_serial)
    box = (number % 100, number % 99, number % 100 + 1, number % 99 + 1)
    boxes.insert(number, box)
    if mended:
        boxes.delete(number, box)


@_mended
def handles_of_downloads(mended=False):
    """A handle of curl for each download, and nobody who closes it."""
    import pycurl

    handles = _kept("curl_handles", list)
    handle = pycurl.Curl()
    handle.setopt(pycurl.URL, "https://files.example/%d" % next(_serial))
    handles.append(handle)
    if mended:
        handles.pop().close()


@_mended
def frames_of_cameras(mended=False):
    """Small pictures of frames, for a page that nobody opens."""
    import cv2
    import numpy

    frame = _kept("frame", lambda: numpy.zeros((120, 160, 3), dtype=numpy.uint8))
    previews = _kept("previews_by_camera", dict)
    previews[next(_serial)] = cv2.resize(frame, (40, 30))
    if mended:
        previews.clear()


@_mended
def gathers_of_a_signal(mended=False):
    """Each request waits for its work and for the end of the service; of the latter it is never taken off."""
    import asyncio
    import contextlib

    loop, stopping = _kept("stop_loop", lambda: (loop := asyncio.new_event_loop(), loop.create_future()))

    async def work(ticket):
        raise LookupError(ticket.number)

    async def request():
        job = asyncio.ensure_future(work(Ticket()))
        if mended:
            await asyncio.wait({stopping, job}, return_when=asyncio.FIRST_COMPLETED)
            job.exception()
        else:
            with contextlib.suppress(LookupError):
                await asyncio.gather(stopping, job)

    loop.run_until_complete(request())


@_mended
def many_small_growers(mended=False):
    """Twenty tables that each remember a number: none of them grows by much."""
    tables = _kept("small_tables", lambda: {"table %d" % i: {} for i in range(20)})
    number = 0 if mended else next(_serial) + 1000
    for table in tables.values():
        table[number] = number


@_mended
def report_of_each_hour(mended=False):
    """Once in fifty requests a large report is kept."""
    reports = _kept("hourly_reports", list)
    if next(_serial) % 50 == 0:
        reports.append(bytearray(20_000))
    if mended:
        reports.clear()


@_mended
def table_of_c(mended=False):
    """A table of a library in C that it makes larger and larger: one block, of which no object knows."""
    import ctypes

    libc = _kept("libc", lambda: ctypes.CDLL(None))
    libc.realloc.restype = ctypes.c_void_p
    libc.realloc.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    place, size = _kept("c_table", lambda: (None, 0))
    size = 2000 if mended else size + 2000
    place = libc.realloc(place, size)
    ctypes.memset(place + size - 2000, 1, 2000)
    globals()["c_table"] = (place, size)
