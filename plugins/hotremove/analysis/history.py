# SPDX-License-Identifier: Apache-2.0
"""The results of many runs in a database: a SQLite file, or whatever SQLAlchemy reaches."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from tenacity import retry, retry_if_exception_type, stop_after_attempt

from hotremove.analysis.history_place import default_place, is_url
from hotremove.cache import digest
from hotremove.errors import DataProblem
from hotremove.faults.fault import NO_MIGRATION
from hotremove.pincost.model import Cost
from hotremove.results.record import Record, Result, old_test, renamed_test

SCHEMA = 3
# Schema 1 had `fix_off`, for one fault; up to schema 2 all memory came in one way.
_ONE_FAULT = 1

_tables = sa.MetaData()
_meta = sa.Table("hotremove", _tables, sa.Column("schema", sa.Integer, nullable=False))
_runs = sa.Table(
    "runs",
    _tables,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("key", sa.String(32), unique=True, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("started", sa.Text, nullable=False),
    sa.Column("environment", sa.JSON, nullable=False),
)
_results = sa.Table(
    "results",
    _tables,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("run", sa.ForeignKey("runs.id", ondelete="CASCADE"), index=True, nullable=False),
    sa.Column("kernel", sa.Text, nullable=False),
    sa.Column("kernel_version", sa.Text, nullable=False),
    sa.Column("kernel_label", sa.Text, nullable=False),
    sa.Column("scenario", sa.Text, nullable=False),
    sa.Column("test", sa.Text, nullable=False),
    sa.Column("pin", sa.Text, nullable=False),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("verdict", sa.String(16), nullable=False),
    sa.Column("duration_s", sa.Float, nullable=False),
    sa.Column("evidence", sa.Text, nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("fault", sa.Text, nullable=False, server_default=""),
    sa.Column("memory", sa.Text, nullable=False, server_default=""),
    sa.Column("attempts", sa.JSON, nullable=False),
)
# A table of its own, so that a history of before there were costs can be used on.
_costs = sa.Table(
    "costs",
    _tables,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("run", sa.ForeignKey("runs.id", ondelete="CASCADE"), index=True, nullable=False),
    sa.Column("test", sa.Text, nullable=False),
    sa.Column("cost", sa.JSON, nullable=False),
)


@dataclass(frozen=True)
class FiledRun:
    """One filed run.

    Attributes:
        number: its place in the history, counted from 1.
        name: what it was called when it was filed.
        record: the run.
    """

    number: int
    name: str
    record: Record


class History:
    """The filed runs, in a database that is made when it is first used."""

    def __init__(self, place: str | None = None) -> None:
        """Open the database.

        Args:
            place: a SQLAlchemy URL, or the path of a SQLite file; by default HOTREMOVE_HISTORY,
                else `history.sqlite` in the platform's data folder.

        Raises:
            DataProblem: it cannot be opened, or is something else, or of a newer schema.
        """
        self._engine = _engine(place or default_place())
        self.place = self._engine.url.render_as_string(hide_password=True)
        self._prepare()

    def __enter__(self) -> History:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._engine.dispose()

    def add(self, record: Record, name: str) -> bool:
        """File a run: all of it, or nothing. Whether it was not there yet.

        Raises:
            DataProblem: the database refuses.
        """
        try:
            with self._used() as connection:
                return self._add(connection, record, name)
        except IntegrityError:  # another process has just filed it
            return False

    def runs(self, latest: int | None = None) -> list[FiledRun]:
        """The filed runs, oldest first; only the `latest` so many if that is given.

        Raises:
            DataProblem: the database cannot be read.
        """
        order = (_runs.c.started.desc(), _runs.c.id.desc())
        with self._used() as connection:
            chosen = connection.execute(sa.select(_runs).order_by(*order).limit(latest)).all()
            results = self._results(connection, [row.id for row in chosen])
        return [_filed_run(row, results.get(row.id, [])) for row in reversed(chosen)]

    def last_before(self, record: Record) -> FiledRun | None:
        """The last filed run that began before another, and has a kernel spec of that one's.

        Raises:
            DataProblem: the database cannot be read.
        """
        kernels = {result.kernel for result in record.results}
        shares = _runs.c.id.in_(sa.select(_results.c.run).where(_results.c.kernel.in_(kernels)))
        wanted = sa.select(_runs).where(shares)
        if record.started:
            wanted = wanted.where(_runs.c.started < record.started)
        newest = wanted.order_by(_runs.c.started.desc(), _runs.c.id.desc()).limit(1)
        with self._used() as connection:
            row = connection.execute(newest).first()
            if row is None:
                return None
            return _filed_run(row, self._results(connection, [row.id])[row.id])

    # Another process may be making the tables, one after another.
    @retry(retry=retry_if_exception_type(DataProblem), stop=stop_after_attempt(9), reraise=True)
    def _prepare(self) -> None:
        with self._used() as connection:
            _tables.create_all(connection)
            schema = connection.scalar(sa.select(sa.func.max(_meta.c.schema)))
            if schema is None:
                connection.execute(_meta.insert().values(schema=SCHEMA))
            elif schema > SCHEMA:
                raise DataProblem(f"{self.place}: schema {schema}, but this version reads {SCHEMA}")
            elif schema < SCHEMA:
                _bring_up_to_date(connection, schema)

    def _add(self, connection: sa.Connection, record: Record, name: str) -> bool:
        key = _key(record)
        if connection.scalar(sa.select(_runs.c.id).where(_runs.c.key == key)):
            return False
        started = record.started or datetime.now(UTC).isoformat(timespec="seconds")
        values = {"key": key, "name": name, "started": started}
        added = connection.execute(
            _runs.insert().values(**values, environment=dict(record.environment))
        )
        (run,) = added.inserted_primary_key or (None,)
        rows = [{**asdict(result), "run": run} for result in record.results]
        costs = [
            {"run": run, "test": row["test"], "cost": cost}
            for row in rows
            for cost in row.pop("costs")
        ]
        for table, its_rows in ((_results, rows), (_costs, costs)):
            if its_rows:
                connection.execute(table.insert(), its_rows)
        return True

    def _results(self, connection: sa.Connection, runs: list[int]) -> dict[int, list[Result]]:
        found: dict[int, list[Result]] = {}
        costs: dict[tuple[int, str], list[Cost]] = {}
        measured = sa.select(_costs).where(_costs.c.run.in_(runs)).order_by(_costs.c.id)
        for row in connection.execute(measured):
            costs.setdefault((row.run, row.test), []).append(Cost(**row.cost))
        wanted = sa.select(_results).where(_results.c.run.in_(runs)).order_by(_results.c.id)
        for row in connection.execute(wanted):
            of_test = tuple(costs.get((row.run, row.test), ()))
            found.setdefault(row.run, []).append(_result(row, of_test))
        return found

    @contextmanager
    def _used(self) -> Iterator[sa.Connection]:
        """One transaction; what goes wrong is told in one line."""
        try:
            with self._engine.begin() as connection:
                yield connection
        except IntegrityError:
            raise
        except SQLAlchemyError as error:
            raise DataProblem(f"{self.place}: {_cause(error)}") from error


def _bring_up_to_date(connection: sa.Connection, schema: int) -> None:
    connection.execute(sa.text("ALTER TABLE results ADD COLUMN memory TEXT NOT NULL DEFAULT ''"))
    if schema == _ONE_FAULT:
        _rename_fault(connection)
    connection.execute(_meta.update().values(schema=SCHEMA))


def _rename_fault(connection: sa.Connection) -> None:
    """Bring a history of schema 1 to today's words, as records of before are read."""
    connection.execute(sa.text("ALTER TABLE results ADD COLUMN fault TEXT NOT NULL DEFAULT ''"))
    for row in connection.execute(sa.text("SELECT id, pin, test FROM results WHERE fix_off")).all():
        renamed = {"test": renamed_test(row.test, row.pin), "fault": NO_MIGRATION}
        connection.execute(_results.update().where(_results.c.id == row.id).values(**renamed))
    connection.execute(sa.text("ALTER TABLE results DROP COLUMN fix_off"))


def _engine(place: str) -> sa.Engine:
    try:
        if is_url(place):
            return sa.create_engine(place)
        path = Path(place).expanduser().absolute()
        path.parent.mkdir(parents=True, exist_ok=True)
        return sa.create_engine(sa.URL.create("sqlite", database=str(path)))
    except OSError as error:
        raise DataProblem(f"{place}: {error.strerror}") from error
    except (SQLAlchemyError, ImportError, ValueError) as error:
        # The URL may hold a password.
        raise DataProblem(f"the history's database cannot be used: {_cause(error)}") from error


def _cause(error: Exception) -> str:
    """What the database itself said, in one line."""
    return " ".join(str(getattr(error, "orig", None) or error).split())


def _filed_run(row: Any, results: list[Result]) -> FiledRun:
    record = Record(tuple(results), row.started, row.environment)
    return FiledRun(row.id, row.name, record)


def _key(record: Record) -> str:
    """What tells one run from another; runs without costs, with usual memory, keep what they had.

    So have those of when there was one fault: they are in histories under it.
    """
    facts = asdict(record)
    for row in facts["results"]:
        for later in ("costs", "memory"):
            if not row[later]:
                del row[later]
        row["fix_off"] = bool(row["fault"])
        if row["fault"] == NO_MIGRATION:
            row["test"] = old_test(row["test"], row["pin"])
        if row["fault"] in ("", NO_MIGRATION):
            del row["fault"]
    return digest(json.dumps(facts, sort_keys=True))


def _result(row: Any, costs: tuple[Cost, ...]) -> Result:
    names = [field.name for field in fields(Result) if field.name != "costs"]
    values = {name: getattr(row, name) for name in names}
    return Result(**{**values, "attempts": tuple(row.attempts)}, costs=costs)
