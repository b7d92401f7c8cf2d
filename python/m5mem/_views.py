"""The views that `keys`, `values` and `items` of a cache give: live, like a dict's. Iterating shows one moment, and is
no use of what it shows: the order in which entries leave stays, and nothing is counted as a hit."""

from __future__ import annotations

from _collections_abc import ItemsView, KeysView, ValuesView

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

__all__ = ["Items", "Keys", "Values"]

Keys = KeysView  # iterating a cache gives the keys of now already


class Values(ValuesView):  # type: ignore[type-arg]
    """The values."""

    __slots__ = ()
    _mapping: Any

    def __iter__(self) -> Iterator[Any]:
        return iter(self._mapping._values())

    def __contains__(self, value: object) -> bool:
        return value in self._mapping._values()


class Items(ItemsView):  # type: ignore[type-arg]
    """The pairs."""

    __slots__ = ()
    _mapping: Any

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        return iter(self._mapping._items())

    def __contains__(self, item: object) -> bool:
        if not isinstance(item, tuple) or len(item) != 2:
            return False
        found = self._mapping.peek(item[0], self)
        return found is not self and (found is item[1] or bool(found == item[1]))
