"""Objects of the libraries that services are made of."""

import asyncio
import dataclasses

import django
import numpy
import pandas
import sqlalchemy
import sqlalchemy.orm
from django.conf import settings

settings.configure(INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth"], DATABASES={})
django.setup()
from django.contrib.auth.models import Group, User  # noqa: E402 (only once the settings are there)

keep = [User(username=str(i), email="u%d" % i) for i in range(300)] + [Group(name=str(i)) for i in range(50)]


class Base(sqlalchemy.orm.DeclarativeBase):
    pass


class Trade(Base):
    __tablename__ = "trade"
    number: sqlalchemy.orm.Mapped[int] = sqlalchemy.orm.mapped_column(primary_key=True)
    name: sqlalchemy.orm.Mapped[str]


engine = sqlalchemy.create_engine("sqlite://")
Base.metadata.create_all(engine)
session = sqlalchemy.orm.Session(engine)
session.add_all(Trade(number=i, name=str(i)) for i in range(300))
session.flush()
keep.append(session.scalars(sqlalchemy.select(Trade)).all())
frame = pandas.DataFrame({"a": range(3000), "b": [float(i) for i in range(3000)]})
frame["text"] = pandas.Series([("t", i) for i in range(3000)], dtype=object)
records = numpy.zeros(50, dtype=[("price", "f8"), ("size", "i4"), ("venue", "U4")])
keep += [numpy.void(bytes(i + 1)) for i in range(50)] + [records[i] for i in range(50)]
keep += [numpy.float64(i) for i in range(50)] + [numpy.datetime64(i, "s") for i in range(50)]
keep += [frame, frame.groupby("a").sum(), frame["b"].rolling(5).mean(), frame[["a", "b"]].T]


@dataclasses.dataclass
class Quote:
    bid: float
    ask: float
    tags: list = dataclasses.field(default_factory=list)


@dataclasses.dataclass(slots=True)
class Level:
    price: float
    size: int


keep += [Quote(i + 0.5, i + 1.5, [i]) for i in range(1000)] + [Level(i + 0.5, i * 1000) for i in range(1000)]


async def wait(n):
    text = str(n)
    await asyncio.sleep(3600)
    return text


loop = asyncio.new_event_loop()
keep.append([loop.create_task(wait(i)) for i in range(200)])
loop.run_until_complete(asyncio.sleep(0))
