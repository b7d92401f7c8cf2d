from collections.abc import Hashable, MutableMapping
from contextlib import AbstractContextManager
from typing import Any, Callable, Literal, NamedTuple, Protocol, TypeVar, overload

from typing_extensions import Concatenate, ParamSpec, Self

from .._native import Cache

_P = ParamSpec("_P")
_P2 = ParamSpec("_P2")
_R = TypeVar("_R")
_R_co = TypeVar("_R_co", covariant=True)
_S = TypeVar("_S")

class CacheInfo(NamedTuple):
    hits: int
    misses: int
    maxsize: int | None
    currsize: int

class _CacheMethods(Protocol):
    __name__: str
    __qualname__: str
    @property
    def cache(self) -> MutableMapping[Any, Any]: ...
    def cache_info(self) -> CacheInfo: ...
    def cache_stats(self) -> dict[str, int]: ...
    def cache_clear(self) -> None: ...
    def cache_key(self, *args: Any, **kwargs: Any) -> Hashable: ...
    def cache_parameters(self) -> dict[str, Any]: ...
    def invalidate(self, *args: Any, **kwargs: Any) -> bool: ...

class CachedMethod(_CacheMethods, Protocol[_P, _R_co]):
    """A cached function, bound to its object."""

    def __call__(self, *args: _P.args, **kwargs: _P.kwargs) -> _R_co: ...

class CachedFunction(_CacheMethods, Protocol[_P, _R_co]):
    """What `cached` makes of a function."""

    @property
    def __wrapped__(self) -> Callable[_P, _R_co]: ...
    def __call__(self, *args: _P.args, **kwargs: _P.kwargs) -> _R_co: ...
    @overload
    def __get__(self, instance: None, owner: type[Any]) -> Self: ...
    @overload
    def __get__(
        self: CachedFunction[Concatenate[_S, _P2], _R], instance: _S, owner: type[Any] | None = None
    ) -> CachedMethod[_P2, _R]: ...

class _Decorator(Protocol):
    def __call__(self, function: Callable[_P, _R], /) -> CachedFunction[_P, _R]: ...

@overload
def cached(cache: Callable[_P, _R], /) -> CachedFunction[_P, _R]: ...
@overload
def cached(
    cache: int | Cache[Any, Any] | MutableMapping[Any, Any] | None = 128,
    *,
    maxsize: int | None = 128,
    key: Callable[..., Hashable] | None = None,
    typed: bool = False,
    max_bytes: int | None = None,
    ttl: float | None = None,
    ttl_jitter: float = 0.0,
    stale_ttl: float | None = None,
    errors: Literal["share", "retry"] = "share",
    error_ttl: float | None = None,
    sizeof: Callable[[Any], int] | None = None,
    lock: AbstractContextManager[Any] | None = None,
    info: bool = True,
    name: str | None = None,
) -> _Decorator: ...
