"""What is right for the cases of `issues_releases.py`, `issues_packages.py` and `issues_standard.py`.

They follow threads of public issue trackers, which each case names, and were written before m5 was tried on any of them; the
first results are in the docs.
"""

from expected import clean, leak


def _pair(module, name, layer, grows, held, requirement=None, python=None, n=400):
    """The case as it leaks, and as it was mended."""
    yield leak(name, layer, grows, held, requirement, python, n, module=module)
    yield clean(name + "_mended", requirement, python, n, module=module)


def _releases(name, layer, grows, held, leaking, mended, pythons, n=400):
    """The release that leaks, and the one that was mended."""
    first, last = pythons if isinstance(pythons, tuple) else (pythons, pythons)
    yield leak(name, layer, grows, held, leaking, first, n, module="issues_releases")
    if mended is not False:
        yield clean(name, mended, last, n, module="issues_releases")


# Case, layer, what grows, who holds it, the release that leaks, the one that was mended, interpreter, iterations.
_RELEASES = [
    (
        "cookies_of_paths",
        "objects",
        "SimpleCookie|tuple|str",
        "_cookies|cookie_jar|CookieJar",
        "aiohttp==3.12.2",
        "aiohttp==3.12.4",
        "3.12",
    ),
    ("cached_headers", "lost", "Reply|dict|str", "", "propcache==0.4.0", "propcache==0.4.1", "3.13"),
    ("cleaned_comments", "lost|held natively", "str|bytes", "", "nh3==0.2.18", "nh3==0.2.20", "3.11"),
    (
        "validated_iterables",
        "never freed",
        "ValidatorIterator",
        "ValidatorIterator",
        "pydantic==2.7.0",
        "pydantic==2.9.2",
        "3.12",
    ),
    (
        "generic_models",
        "objects",
        "type|Model|Page|dict|function|cell",
        "_generic_types_cache|_assigned_parameters|pydantic",
        "pydantic==1.9.0",
        "pydantic==1.10.13",
        "3.10",
        60,
    ),
    (
        "attributes_of_files",
        "lost",
        "int",
        "",
        "h5py==3.15.1",
        "h5py==3.16.0",
        "3.12",
        1000,
    ),
    (
        "spans_of_requests",
        "objects",
        "function|cell|SentrySpanProcessor",
        "global_event_processors",
        "sentry-sdk==2.42.1 opentelemetry-sdk==1.35.0",
        "sentry-sdk==2.70.0 opentelemetry-sdk==1.35.0",
        "3.12",
    ),
    ("hashed_dates", "lost|blocks", "", "", "numpy==2.2.6", "numpy==2.4.4", "3.13"),
    (
        "modules_of_a_linter",
        "objects",
        "astroid|Module|ClassDef|dict|list|FunctionDef|Context",
        "cache|astroid|lru",
        "astroid==2.12.5",
        "astroid==3.3.10",
        "3.11",
        6,
    ),
    ("pushed_messages", "lost", "", "", "hiredis==3.4.1", "hiredis==3.4.2", "3.14", 1000),
]

# Case, layer, what grows, who holds it, package, interpreter, iterations.
_PACKAGES = [
    (
        "validated_specifications",
        "objects",
        "Validator|CachedIterable|dict|str",
        "iter_errors|lru_cache",
        "openapi-spec-validator==0.9.0",
        "3.12",
        60,
    ),
    ("wrapped_again", "objects", "FunctionWrapper|function|dict", "prices", "wrapt==2.0.0", "3.12"),
    (
        "messages_to_nowhere",
        "native|blocks",
        r"\d|Producer",
        "producer|rdkafka|",
        "confluent-kafka==2.11.1",
        "3.11",
        1000,
    ),
    (
        "words_to_find",
        "native|objects|held natively",
        "Automaton|Ticket|list|str|dict",
        "word_trie|ahocorasick|",
        "pyahocorasick==2.2.0",
        "3.12",
        1000,
    ),
    (
        "instances_of_a_store",
        "native|blocks|mapped",
        r"\d|Store|mmap|memory|wasmtime",
        "wasm|",
        "wasmtime==36.0.0",
        "3.11",
        200,
    ),
    (
        "errors_of_a_directory",
        "objects",
        "tuple|Ticket|ConnectionResetError|traceback|frame|str",
        "exception_history|directory|_exceptions",
        "ldap3==2.9.1",
        "3.11",
    ),
    (
        "subscriptions_of_a_connection",
        "objects",
        "PubSub|redis|dict|method|Encoder|Lock",
        "_connect_callbacks|redis_connection",
        "redis==4.5.5",
        "3.13",
        200,
    ),
    (
        "parsed_buffers",
        "objects",
        "parso|Node|dict|str|list|Path",
        "parser_cache",
        "parso==0.8.4",
        "3.13",
        60,
    ),
    (
        "recent_pages",
        "objects|native|held natively",
        "Ticket|LRU|str|Node",
        "recent|lru",
        "lru-dict==1.3.0",
        "3.12",
    ),
    (
        "friends_of_users",
        "native|in place|blocks",
        r"\d|Graph",
        "friends|igraph|",
        "igraph==0.11.8",
        "3.12",
        1000,
    ),
    (
        "scripts_of_users",
        "native|blocks",
        r"\d|Context",
        "script_context|quickjs|",
        "quickjs==1.19.4",
        "3.11",
        1000,
    ),
    (
        "sum_of_measurements",
        "objects",
        "LinearCombination|Variable|AffineScalarFunc|uncertainties|tuple|list|dict|float",
        "total",
        "uncertainties==3.2.3",
        "3.13",
    ),
    (
        "calls_of_plugins",
        "objects",
        "Ticket|dict|tuple|str",
        "_call_history|plugins",
        "pluggy==1.5.0",
        "3.8",
    ),
]

_STANDARD = [
    ("handlers_of_a_signal", "objects|held natively", "function|cell|Ticket|str", "signal|", None, "3.14"),
    ("members_of_a_stream", "objects", "TarInfo|str|dict|bytes", "archive|members", None, "3.11"),
    ("stanzas_of_a_stream", "objects|native|in place", "Element|str|dict", "stream_parser", None, "3.13"),
    (
        "functions_of_a_database",
        "objects|held natively|native",
        "Ticket|method|str|Connection",
        "function_database|sqlite|",
        None,
        "3.8",
    ),
    (
        "importers_of_plugins",
        "objects|in place",
        "str|dict",
        "path_importer_cache",
        None,
        "3.13",
    ),
    ("filters_of_warnings", "objects", "tuple|Pattern|str", "filters", None, "3.8"),
    (
        "overloads_of_rules",
        "objects",
        "function|dict|code|str|defaultdict",
        "_overload_registry",
        None,
        "3.14",
        200,
    ),
    ("history_of_a_console", "blocks|native", r"\d", "readline|", None, "3.11", 1000),
    (
        "memo_of_a_reader",
        "objects|native|held natively",
        "Ticket|str|dict|list|Unpickler",
        "pickled_stream|pickle",
        None,
        "3.13",
    ),
    ("rounding_of_tenants", "objects", "Context|Decimal|SignalDict", "rounding", None, "3.14"),
    ("positions_in_order", "objects|in place|native", "OrderedDict|int", "positions", None, "3.8", 5000),
    ("tokens_of_variables", "objects", "Ticket|Token|str|Context|hamt", "variable|tokens", None, "3.14"),
    ("decorated_again", "objects", "function|cell|dict|tuple|str", "price_of", None, "3.13"),
    ("flags_of_rights", "objects", "Rights|str|dict|int", r"Rights|_value2member_map_", None, "3.8"),
    (
        "groups_of_errors",
        "objects",
        "ExceptionGroup|Ticket|Error|traceback|frame|str|tuple|list",
        "error_groups",
        None,
        "3.14",
    ),
]

# A cycle that the collector frees, one that was never there, and threads that a server forgets: nobody is to be accused.
_TRAPS = [
    clean(name, None, version, 60 if name == "requests_of_a_server" else 400, module="issues_standard")
    for version in ("3.8", "3.14")
    for name in ("cycles_of_errors", "cycles_of_errors_mended", "requests_of_a_server")
]

ISSUES = [
    *(case for row in _RELEASES for case in _releases(*row)),
    *(case for row in _PACKAGES for case in _pair("issues_packages", *row)),
    *(case for row in _STANDARD for case in _pair("issues_standard", *row)),
    *_TRAPS,
]
