"""What is right for the cases of `reported.py` and `reported_native.py`.

They follow public reports of leaks and were written before m5 was tried on any of them; the first results are in the docs.
"""

from expected import clean, leak


def _pair(module, name, layer, grows, held, requirement=None, python=None, n=400):
    """The case as it leaks, and as it was mended."""
    yield leak(name, layer, grows, held, requirement, python, n, module=module)
    yield clean(name + "_mended", requirement, python, n, module=module)


def _releases(module, name, layer, grows, held, leaking, mended, python, n=400):
    """The release that leaks, and the one that was mended."""
    yield leak(name, layer, grows, held, leaking, python, n, module=module)
    yield clean(name, mended, python, n, module=module)


# Case, layer, what grows, who holds it, the release that leaks, the one that was mended, interpreter.
_RELEASES = [
    ("hiredis_maps", "lost", "bytes", "", "hiredis==3.0.0", "hiredis==3.2.1", "3.12", 1000),
    (
        "traced_futures",
        "objects",
        "function|cell|method|Context|tuple|list",
        r"group_join|_callbacks|Future",
        "opentelemetry-instrumentation-asyncio==0.52b0 opentelemetry-sdk==1.31.0",
        "opentelemetry-instrumentation-asyncio==0.55b0 opentelemetry-sdk==1.34.0",
        "3.12",
    ),
    (
        "metric_readers",
        "objects",
        "InMemoryMetricReader|Provider|opentelemetry|dict|Lock",
        "_all_metric_readers|register_at_fork",
        "opentelemetry-sdk==1.27.0",
        "opentelemetry-sdk==1.35.0",
        "3.11",
        200,
    ),
]

# Case, layer, what grows, who holds it, package, interpreter, iterations.
_PAIRS = [
    ("msgspec_extensions", "lost", "bytes", "", "msgspec==0.19.0", "3.13", 1000),
    (
        "instrumented_apps",
        "objects",
        "FastAPI|fastapi|starlette|function|dict|Route",
        "_instrumented_fastapi_apps",
        "opentelemetry-instrumentation-fastapi==0.45b0 fastapi==0.115.4 deprecated setuptools<80",
        "3.11",
        60,
    ),
    (
        "open_connections",
        "objects",
        "H11|h11|Wire|uvicorn|dict",
        "connections",
        "uvicorn==0.32.0",
        "3.13",
        200,
    ),
    ("callbacks_of_channels", "objects", "Ticket|dict|method", r"callbacks|_stack", "pika==1.3.2", "3.12"),
    (
        "sensors_of_topics",
        "objects",
        "kafka|Sensor|MetricName|Metric|Avg|dict|Config",
        "kafka_metrics|_sensors|_metrics",
        "kafka-python==2.0.2",
        "3.11",
    ),
    (
        "channels_of_users",
        "objects",
        "str|bytes|set|WeakSet",
        "channels|listener|subscribers",
        "fakeredis==2.26.1 redis==5.0.8",
        "3.11",
    ),
    (
        "classes_of_tenants",
        "objects",
        "Tenant|type|sqlalchemy|Table|Column|function|dict",
        "Base|metadata|registry|tables|sqlalchemy",
        "sqlalchemy==2.0.36",
        "3.13",
        60,
    ),
    (
        "pages_of_mako",
        "objects",
        "mako|Template|module|function|code|str|dict",
        "mako_pages|_collection|mako",
        "mako==1.3.5",
        "3.12",
        100,
    ),
    ("listeners_of_commands", "objects", "Listener", "command_listeners", "pymongo==4.10.1", "3.13"),
    ("tags_of_documents", "objects", "Ticket|method", "yaml_constructors", "PyYAML==6.0.2", "3.12"),
    ("references_of_pages", "objects", "tuple|str", "references|converter", "markdown==3.7", "3.11"),
    (
        "kinds_of_tokens",
        "objects",
        "_TokenType",
        "subtypes|Token|_TokenType|Name",
        "pygments==2.18.0",
        "3.13",
    ),
    (
        "units_of_requests",
        "objects",
        "UnitsContainer|pint|dict|str|udict",
        "units|_cache|parse_unit",
        "pint==0.24.3 flexparser<0.4",
        "3.12",
        200,
    ),
    ("waiters_of_a_lock", "objects", "Deferred|Ticket", "ticket_lock|waiting", "twisted==24.7.0", "3.11"),
    (
        "settings_of_users",
        "objects",
        "Ticket|immutables|MapNode|BitmapNode",
        "user_settings",
        "immutables==0.21",
        "3.12",
    ),
    ("names_resolved", "objects", "Answer|Name|tuple", "dns_cache|data", "dnspython==2.7.0", "3.13"),
    (
        "subscribers_of_events",
        "objects",
        "Ticket|method",
        "component_registry|_subscribers|zope",
        "zope.interface==7.1.0",
        "3.12",
    ),
    ("words_of_customers", "objects", "FreqDist|dict|str", "word_counts", "nltk==3.9.1", "3.11"),
    (
        "jobs_after_responses",
        "objects",
        "BackgroundTask|Ticket",
        "background_jobs|tasks",
        "starlette==0.41.3",
        "3.13",
    ),
]

_NATIVE = [
    (
        "words_of_a_model",
        "native|objects|blocks|in place",
        r"\d|StringStore|Vocab|Lexeme|str|int|dict|PreshMap",
        r"language_model|vocab|StringStore|Vocab|spacy|cymem|preshed|",
        "spacy==3.8.2 click",
        "3.11",
        200,
    ),
    (
        "unread_messages",
        "in place|objects|native",
        "bytearray|bytes",
        "websocket_ends",
        "wsproto==1.2.0",
        "3.12",
    ),
    (
        "certificates_of_clients",
        "objects|native",
        "Certificate",
        "certificates",
        "cryptography==43.0.1",
        "3.11",
        200,
    ),
    (
        "schemas_of_tenants",
        "native|objects|blocks",
        r"DescriptorPool|Descriptor|\d|upb|_message",
        "schemas|upb|DescriptorPool|",
        "protobuf==5.28.3",
        "3.12",
        200,
    ),
    (
        "compiled_formulas",
        "objects|native",
        "numba|Dispatcher|function|dict|CPUDispatcher|llvm",
        "formulas|numba|llvmlite",
        "numba==0.60.0 numpy<2",
        "3.11",
        15,
    ),
    (
        "words_of_users",
        "native|blocks|in place|objects",
        r"Tokenizer|\d",
        "tokenizer|",
        "tokenizers==0.20.3",
        "3.12",
        100,
    ),
    ("bits_of_answers", "in place|native", "bitarray", "answers", "bitarray==3.0.0", "3.13"),
    (
        "identifiers_seen",
        "native|in place|blocks",
        r"BitMap|\d",
        "seen_identifiers|pyroaring|",
        "pyroaring==1.0.0",
        "3.12",
    ),
    (
        "boxes_of_a_map",
        "native|blocks",
        r"\d|Index|rtree|LP_|c_void_p",
        "boxes|spatialindex|",
        "Rtree==1.3.0",
        "3.11",
        4000,
    ),
    ("handles_of_downloads", "native|objects", "Curl", "curl_handles", "pycurl==7.45.3", "3.12", 100),
    (
        "frames_of_cameras",
        "native|objects",
        "ndarray",
        "previews_by_camera",
        "opencv-python-headless==4.10.0.84 numpy<2",
        "3.11",
    ),
]

_PLAIN = [
    (
        "gathers_of_a_signal",
        "objects",
        "Ticket|Future|function|Task|traceback|LookupError|frame|cell|list|Context",
        "stop_loop|_callbacks|Future",
        None,
        "3.13",
    ),
    ("many_small_growers", "objects|in place", "int|dict", "small_tables", None, "3.12"),
    ("report_of_each_hour", "objects|native", "bytearray", "hourly_reports", None, "3.11"),
    ("table_of_c", "blocks|in place|native", r"\d", "", None, "3.13"),
]

REPORTS = [
    *(case for row in _RELEASES for case in _releases("reported", *row)),
    *(case for row in _PAIRS for case in _pair("reported", *row)),
    *(case for row in _NATIVE + _PLAIN for case in _pair("reported_native", *row)),
]
