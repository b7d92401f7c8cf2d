"""Programs whose allocations are counted: see `truth.py`.

programs.py NAME run          works for ever, and tells calls done and the time of its own clock about ten times a second
programs.py NAME count TIMES  counts TIMES calls, and prints lines and ways as JSON
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
import zlib

BYTES = bytes(range(256)) * 256
ITEMS = [{"name": f"n{i}", "price": i * 1.1, "tags": ["a", "b"]} for i in range(50)]


class Tick:
    """A tick of a market."""

    def __init__(self, number):
        self.number = number
        self.price = number * 1.25


def json_documents():
    """A document read, changed and written, in code that allocates all the time."""
    rows = [{"id": i, "name": f"name {i}", "price": i * 1.5, "tags": [f"a{i}", "b"]} for i in range(60)]
    document = json.dumps(rows)

    def work():
        picked = {x["id"]: (x["name"].upper(), x["price"] * 2) for x in json.loads(document)}
        return json.dumps({"items": [[k, v[0], v[1]] for k, v in picked.items()]})

    return work


def first():
    """A few allocations at one line."""
    return [Tick(n) for n in range(10)]


def second():
    """Many at another."""
    return [Tick(n) for n in range(300)]


def bursts():
    """A worker of small tasks: a burst, and a rest."""

    def work():
        first()
        second()
        time.sleep(0.002)

    return work


def dense_and_rests():
    """A dense loop, work that hardly allocates, and a rest."""

    def work():
        {str(n): n for n in range(500)}
        for _ in range(40):
            zlib.crc32(BYTES)
        time.sleep(0.001)

    return work


def service():
    """A service on asyncio: requests in bursts, answered from rows of a database."""
    import sqlite3

    base = sqlite3.connect(":memory:")
    base.execute("create table t (a integer, b text)")
    base.executemany("insert into t values (?, ?)", [(i, f"row {i}") for i in range(200)])
    loop = asyncio.new_event_loop()

    async def answer(n):
        await asyncio.sleep(0)
        rows = base.execute("select a, b from t where a < ?", (40 + n,)).fetchall()
        return json.dumps([{"a": a, "b": b} for a, b in rows])

    async def burst():
        await asyncio.gather(*(answer(n) for n in range(5)))
        await asyncio.sleep(0.005)

    return lambda: loop.run_until_complete(burst())


def sqlalchemy():
    """Objects of rows."""
    from sqlalchemy import Integer, String, create_engine, select
    from sqlalchemy.orm import DeclarativeBase, Session, mapped_column

    class Base(DeclarativeBase):
        pass

    class User(Base):
        __tablename__ = "u"
        id = mapped_column(Integer, primary_key=True)
        name = mapped_column(String)

    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all([User(name=f"n{i}") for i in range(200)])
        session.commit()

    def work():
        with Session(engine) as session:
            return [(u.id, u.name) for u in session.scalars(select(User).where(User.id < 60))]

    return work


def django():
    """A template."""
    import django as package
    from django.conf import settings
    from django.template import engines

    settings.configure(TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates"}])
    package.setup()
    text = "{% for i in items %}<li>{{ i.name|upper }} {{ i.price|floatformat:2 }} {{ i.tags|join:', ' }}{% endfor %}"
    template = engines["django"].from_string(text)
    return lambda: template.render({"items": ITEMS})


def pydantic():
    """Models made of dictionaries, and written, by code in Rust."""
    from pydantic import BaseModel

    class Item(BaseModel):
        name: str
        price: float
        tags: list[str]

    class Order(BaseModel):
        items: list[Item]

    def work():
        order = Order.model_validate({"items": ITEMS})
        return sum(item.price for item in order.items), order.model_dump(), order.model_dump_json()

    return work


def pandas():
    """Rows of a frame, one by one."""
    import pandas as pd

    frame = pd.DataFrame(
        {"a": range(20), "b": [x * 0.5 for x in range(20)], "c": [f"s{x}" for x in range(20)]}
    )

    def work():
        return [row["a"] + row["b"] for _, row in frame.iterrows()], frame.groupby("c")["b"].sum().to_dict()

    return work


PROGRAMS = {
    program.__name__: program
    for program in (json_documents, bursts, dense_and_rests, service, sqlalchemy, django, pydantic, pandas)
}


def many(work, times):
    """Works so many times."""
    for _ in range(times):
        work()


def main():
    """Runs one."""
    work = PROGRAMS[sys.argv[1]]()
    many(work, 20)
    if sys.argv[2] == "count":
        import counts

        counts.start()
        many(work, int(sys.argv[3]))
        print(json.dumps(counts.stop()))
        return
    print("ready", flush=True)
    done, told = 0, 0.0
    while True:
        work()
        done += 1
        now = time.monotonic()
        if now - told >= 0.1:
            told = now
            print(done, now, flush=True)


if __name__ == "__main__":
    try:
        main()
    except (BrokenPipeError, KeyboardInterrupt):
        sys.stdout = None
