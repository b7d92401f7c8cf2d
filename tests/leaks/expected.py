"""What is right for each case: who grows, who holds it, and in which layer; or that nobody is to be accused.

A layer is one of `objects`, `in place` (a container or buffer that both snapshots show), `native` (memory that the
objects own), `blocks` (native blocks that no object owns), `mapped`, `never freed` (a cycle that no collection frees),
`lost` (a reference that nobody holds).
"""

from collections import namedtuple

# `grows` and `held` are searched in the type and in the holder's name and path; `layer` may give several, by `|`.
Case = namedtuple("Case", "name module requirement python iterations layer grows held")


def leak(name, layer, grows, held, requirement=None, python=None, n=400, module=None):
    """A case that leaks."""
    return Case(
        name,
        module or ("packages" if requirement else "standard"),
        requirement,
        python,
        n,
        layer,
        grows,
        held,
    )


def clean(name, requirement=None, python=None, n=400, module=None):
    """A case that must raise no alarm."""
    return leak(name, None, None, None, requirement, python, n, module)


STANDARD = [
    leak("exceptions_kept", "objects", "ValueError|Session|traceback|frame", "recent_errors"),
    leak("exit_handlers", "held natively|objects", "Session", ""),
    leak("finalizers", "objects", "Session|finalize", r"finalize\._registry"),
    leak("log_handlers", "objects", "StreamHandler", "service|handlers"),
    leak("pending_tasks", "objects", "Task|Session", "background_tasks|_waiters|Event"),
    leak("method_cache", "objects", "Report", "total|lru_cache"),
    leak("context_variables", "objects", "Session|ContextVar", "context"),
    leak("thread_locals", "objects", "Session", "seen"),
    leak("running_thread", "objects", "Session", "history"),
    leak("suspended_generator", "objects", "Session", "collected"),
    leak("closures", "objects", "Session|function", "callbacks"),
    leak("class_per_request", "objects", "type|Form|class", "registry"),
    leak("default_argument", "objects", "Session", "remember|seen"),
    leak("queue_without_consumer", "objects", "Session", "outbox"),
    leak("buffer_in_place", "in place", "BytesIO", "audit_log", n=2000),
    leak("bytearray_in_place", "in place", "bytearray", "connection|received", n=2000),
    leak("set_of_keys", "objects|in place", "str|set", "seen_keys", n=5000),
    leak("counters", "objects|in place", "str|Counter", "hits", n=5000),
    leak("warnings_registry", "objects", "str|tuple|UserWarning", "__warningregistry__|registry"),
    leak("module_per_request", "objects", "module|Session", r"sys\.modules"),
    leak("line_cache", "objects|in place", "str|list|tuple", r"linecache\.cache"),
    leak("interned_attributes", "objects", "Session", "state"),
    leak("parser_cycles", "never freed", "Zone|datetime|bytes|dict", r"datetime\.datetime|parser_cycles"),
    leak("native_malloc", "blocks", r"\d", ""),
    leak("native_beside_ids", "blocks", r"\d", ""),
    leak("mapped_memory", "objects|native|mapped", "mmap", "areas"),
    leak("callbacks_kept", "objects|native", "CFUNCTYPE|CFunctionType|PyCFuncPtr|CThunk", "c_callbacks"),
    leak("lost_reference", "lost", "Session|bytes", ""),
    leak("sqlite_rows", "native|blocks|in place", r"sqlite3|\d", "database|sqlite|"),
    leak("decompressors", "objects|native", "Compress", "streams"),
    leak("trees", "objects|native|in place", "Element", "document"),
    clean("bounded_cache"),
    clean("ring"),
    clean("cycles"),
    clean("finished_tasks"),
    clean("patterns"),
    clean("churn"),
    clean("threads"),
]

# The package that leaks and, where there is one, the release that was mended.
PACKAGES = [
    leak("structlog", "objects", "lock|TextIOWrapper", "WRITE_LOCKS", "structlog==25.5.0", module="cases"),
    clean("structlog", "structlog==26.1.0", module="cases"),
    leak(
        "requests", "objects", "ProxyManager|PoolManager", "proxy_manager", "requests==2.32.3", module="cases"
    ),
    leak(
        "orjson",
        "lost",
        "object|KeyError|TypeError|traceback|frame",
        "",
        "orjson==3.8.12",
        module="cases",
        n=2000,
    ),
    clean("orjson", "orjson==3.9.1", module="cases", n=2000),
    leak("cbor2", "lost", "str", "", "cbor2==5.8.0", module="cases", n=50),
    clean("cbor2", "cbor2==5.9.0", module="cases", n=50),
    leak(
        "aiohttp",
        "objects",
        "partial|aiohttp|frame",
        "_build_middlewares",
        "aiohttp==3.10.10",
        module="cases",
    ),
    clean("aiohttp", "aiohttp==3.10.11", module="cases"),
    leak(
        "prometheus_client",
        "objects",
        "prometheus|Counter|Value",
        "_metrics",
        "prometheus_client==0.26.0",
        module="cases",
    ),
    clean("botocore", "botocore==1.29.100", module="cases", n=60),
    leak("multidict_extend", "lost", "", "", "multidict==6.3.0"),
    clean("multidict_extend", "multidict==6.6.4"),
    leak("hiredis_reader", "never freed", "Connection|Reader|bytes|dict", "hiredis.Reader", "hiredis==2.1.1"),
    leak("pyrsistent_vector", "objects", "Session", "sessions", "pyrsistent==0.20.0"),
    leak("httpx_clients", "native|objects", "httpx|ssl|SSLContext", "clients", "httpx==0.27.2", n=20),
    leak("pil_thumbnails", "native|objects", "Image", "thumbnails", "pillow==10.4.0", n=100),
    leak("lxml_documents", "native|objects", "lxml", "first_entries", "lxml==5.3.0"),
    leak("gevent_greenlets", "objects|native", "Greenlet|Session", "gevent_event", "gevent==24.2.1"),
    leak(
        "sqlalchemy_async",
        "objects|native",
        "Task|Session|greenlet",
        "sqlalchemy_loop|_waiters|sqlalchemy_event",
        "sqlalchemy[asyncio]==2.0.36",
    ),
    leak("protobuf_byte_size", "blocks", r"\d", "", "protobuf==4.22.1", "3.10"),
    clean("protobuf_byte_size", "protobuf==4.24.4", "3.10"),
    leak("gmpy2_mpfr", "blocks", r"\d", "", "gmpy2==2.2.0", "3.12", n=2000),
    clean("gmpy2_mpfr", "gmpy2==2.3.0", "3.12", n=2000),
    leak("pydantic_validate_call", "never freed", "", "", "pydantic==2.5.2", n=100),
    clean("pydantic_validate_call", "pydantic==2.9.2", n=100),
]

# Written before m5 was tried on them; how many were right at once is told in the log.
FOUND = [
    leak("frozendict_repr", "lost", "str", "", "frozendict==2.3.2", "3.10"),
    clean("frozendict_repr", "frozendict==2.3.4", "3.10"),
    leak("ujson_dumps", "lost", "str", "", "ujson==2.0.2", "3.8"),
    clean("ujson_dumps", "ujson==2.0.3", "3.8"),
    leak("msgpack_unpacker", "lost", "StopIteration|OutOfData|", "", "msgpack==1.0.7", "3.12", n=2000),
    clean("msgpack_unpacker", "msgpack==1.0.8", "3.12", n=2000),
    leak("pendulum_parse", "lost|blocks", "", "", "pendulum==2.1.2", "3.9", n=4000),
    leak("ijson_parse", "lost|blocks|objects", "", "", "ijson==3.1.1", "3.8", n=2000),
    clean("ijson_parse", "ijson==3.1.2", "3.8", n=2000),
    leak("babel_patterns", "objects", "DateTimePattern|str", "_pattern_cache", "babel==2.11.0"),
    leak("numpy_views", "objects|native", "ndarray", "previews", "numpy==1.26.4"),
    leak("pandas_rows", "objects|native", "DataFrame|pandas|ndarray", "results", "pandas==2.2.3"),
    leak(
        "matplotlib_figures",
        "objects|native",
        "Figure|matplotlib",
        "figs|_pylab_helpers",
        "matplotlib==3.9.2",
        n=20,
    ),
    leak("requests_hooks", "objects", "Session", "hooks|http_session", "requests==2.32.3"),
    leak(
        "fsspec_instances",
        "objects",
        "MemoryFileSystem|fsspec",
        "_cache|MemoryFileSystem",
        "fsspec==2024.9.0",
    ),
    leak(
        "marshmallow_schemas",
        "objects",
        "Schema|Meta|type|marshmallow",
        "_registry|class_registry",
        "marshmallow==3.22.0",
        n=100,
    ),
    leak("attrs_classes", "objects|in place", "str|list|tuple", r"linecache\.cache", "attrs==24.2.0", n=100),
    leak("blinker_receivers", "objects", "Session", "receivers|done", "blinker==1.8.2"),
    leak(
        "sqlalchemy_tables",
        "objects",
        "sqlalchemy|Table|Column",
        "metadata",
        "sqlalchemy[asyncio]==2.0.36",
        n=100,
    ),
    leak("celery_tasks", "objects", "celery|task|type", "celery_app|_tasks|tasks", "celery==5.4.0", n=100),
    leak(
        "werkzeug_rules", "objects", "Rule|werkzeug|State|function|code", "url_map", "werkzeug==3.0.4", n=200
    ),
    leak("pyarrow_tables", "native|objects|mapped", "pyarrow|Array", "columns", "pyarrow==17.0.0"),
    leak("polars_frames", "native|objects|mapped", "polars|DataFrame", "frames", "polars==1.9.0"),
    leak("grpc_channels", "native|objects", "grpc|Channel", "channels", "grpcio==1.66.2", n=30),
    leak(
        "cryptography_keys",
        "native|objects",
        "EllipticCurve|ECPrivateKey|cryptography",
        "keys",
        "cryptography==43.0.1",
    ),
    clean("cachetools_cache", "cachetools==5.5.0"),
    clean("urllib3_pools", "urllib3==2.2.3"),
    clean("jinja2_templates", "jinja2==3.1.4"),
]
