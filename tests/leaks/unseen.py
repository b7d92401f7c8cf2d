"""What is right for the cases of `everyday.py` and `everyday_packages.py`: held out from m5 until they were written."""

from expected import clean, leak


def _pair(name, layer, grows, held, requirement=None, python=None, n=400):
    """The case as it leaks, and as it was mended."""
    module = "everyday_packages" if requirement else "everyday"
    yield leak(name, layer, grows, held, requirement, python, n, module=module)
    yield clean(name + "_mended", requirement, python, n, module=module)


# Case, layer, what grows, who holds it, package, interpreter, iterations.
_ROWS = [
    ("tasks_never_discarded", "objects", "Task|Order", "running_tasks", None, "3.12"),
    (
        "timeouts_never_cancelled",
        "objects",
        "TimerHandle|Context|Order",
        "_scheduled|timer_loop",
        None,
        "3.13",
    ),
    ("weak_callbacks", "objects", "weakref|Order|function", "watches", None, "3.9"),
    ("heads_of_payloads", "objects|in place", "memoryview|bytearray", "heads", None, "3.11"),
    ("chain_of_errors", "objects", "ConnectionError|traceback|Order|frame", "last_error", None, "3.11", 200),
    ("streams_left_open", "objects", "async_generator|Order", "open_streams", None, "3.12"),
    (
        "threads_that_wait",
        "objects|native|held natively",
        "Thread|Order|lock",
        r"threading\._|_active|thread|waiters",
        None,
        "3.11",
        60,
    ),
    ("orders_by_customer", "objects", "Order", "orders_by_customer_id", None, "3.14"),
    ("latencies", "objects|in place", "tuple|float|deque", "latency_samples", None, "3.10"),
    ("resurrected", "objects", "Connection|bytearray", "pool", None, "3.12"),
    ("compiled_searches", "objects|native", "Pattern|str", "compiled_by_query", None, "3.11"),
    ("digests_by_upload", "objects|native", "HASH|sha512", "digests", None, "3.13", 1000),
    ("shared_blocks", "objects|native|mapped", "SharedMemory|mmap", "messages", None, "3.11", 100),
    ("uploads_in_memory", "objects|native", "BytesIO|bytes", "uploads", None, "3.14"),
    ("model_per_tenant", "objects", "type|Tenant|class", "models", None, "3.11", 100),
    ("search_path", "objects|in place", "str|list", r"sys\.path", None, "3.9"),
    ("variables_of_jobs", "objects|in place|blocks", r"bytes|str|\d", r"environ|libc|", None, "3.11"),
    ("reports_of_failures", "objects", "str", "failures", None, "3.12"),
    ("futures_of_jobs", "objects", "Future|Order", "jobs", None, "3.13"),
    ("locks_by_key", "objects", "Lock|str", "locks", None, "3.10", 1000),
    ("subscribers_that_left", "objects", "dict|str", "subscribers", None, "3.13", 200),
    (
        "log_in_memory",
        "objects|in place",
        "StringIO|str",
        r"shop\.requests|request_log|StreamHandler|handlers",
        None,
        "3.11",
        2000,
    ),
    ("patches_of_tests", "objects", "_patch|Order", "_active_patches|patch", None, "3.12"),
    ("queue_between_processes", "objects", "bytes|str|tuple", "_buffer|outgoing_orders", None, "3.11"),
    ("hooks_of_a_class", "objects", "partial|Order", "hooks", None, "3.13"),
    ("documents_of_feeds", "objects", "minidom|Document|Element|Text", "titles_of_feeds", None, "3.14"),
    (
        "frames_in_a_cache",
        "objects",
        "DataFrame|ndarray",
        "cached_report|report|lru_cache",
        "pandas==2.2.3",
        "3.11",
        100,
    ),
    ("one_row_of_a_table", "objects", "Series|ndarray|DataFrame", "last_rows", "pandas==2.2.3", "3.11"),
    (
        "http_sessions",
        "objects",
        "ClientSession|TCPConnector|aiohttp",
        "http_sessions_by_request",
        "aiohttp==3.10.11",
        "3.11",
    ),
    ("results_of_tasks", "objects", "bytes|str", "cache|DummyClient|tasks_app", "celery==5.4.0", "3.11"),
    ("messages_in_memory", "objects", "dict|str|bytes", "queues|queue|kombu", "celery==5.4.0", "3.11"),
    (
        "counts_by_user",
        "objects",
        "opentelemetry|frozenset|str",
        "meters|_attributes_aggregation|Aggregat|opentelemetry",
        "opentelemetry-sdk==1.35.0",
        "3.11",
    ),
    ("frames_of_sockets", "objects", "bytes", "websocket|writes", "websockets==13.1", "3.12", 1000),
    (
        "observers_of_settings",
        "objects",
        "Order|method|function",
        "settings|_trait_notifiers",
        "traitlets==5.14.3",
        "3.12",
    ),
    ("cells_of_a_workbook", "objects", "Cell|str|openpyxl", "workbook|_cells", "openpyxl==3.1.5", "3.12"),
    (
        "routes_added_late",
        "objects",
        "APIRoute|fastapi|starlette|Order",
        "api|routes",
        "fastapi==0.115.4",
        "3.12",
        60,
    ),
    (
        "listeners_of_an_engine",
        "objects",
        "Order|function|method|deque|sqlalchemy|dict",
        "listened_engine|dispatch|sqlalchemy|event",
        "sqlalchemy==2.0.36",
        "3.13",
    ),
    (
        "objects_of_a_session",
        "objects",
        "Customer|InstanceState",
        "customers|identity_map|_new|Session",
        "sqlalchemy==2.0.36",
        "3.13",
        200,
    ),
    (
        "jobs_of_greenlets",
        "objects|native",
        "Greenlet|greenlet",
        "job_group|go_event|_links|gevent",
        "gevent==24.2.1",
        "3.11",
    ),
    (
        "thumbnails_by_product",
        "objects|native",
        "Image|ndarray|tuple|bytes",
        "thumbnails",
        "pillow==10.4.0 numpy<2",
        "3.11",
        200,
    ),
]

UNSEEN = [case for row in _ROWS for case in _pair(*row)]
