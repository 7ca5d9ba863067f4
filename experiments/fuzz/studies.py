"""Databases of studies that somebody damaged or made to do harm, and what is done with them.

A good database has a search with trials of every state, its twins and its random search. Rows and
columns of every table are changed, left out and doubled, and bytes of the file.
"""

import io
import json
import shutil
import sqlite3
import sys
from contextlib import closing, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn
from optuna.trial import TrialState, create_trial
from rich.console import Console

from experiments.fuzz import judge, mutations
from experiments.fuzz.values import JSON_VALUES, NUMBERS, WORDS
from nas.common.errors import UserError
from nas.common.processes import this_machine
from nas.search.coordinator import run_trials
from nas.search.progress import Progress
from nas.search.queue import pending_of, refill_of
from nas.search.study import load_own_study, space_of
from nas.space.space import SearchSpace
from nas.storage.open import open_storage

sys.path.append(str(Path(__file__).parents[2] / "tests"))

from report_studies import candidate, make_study, make_twins, measured  # noqa: E402

#: seconds of processor time for status, report and coordinator together: ten times a good study
MOST_SECONDS = 30.0
#: what a terminal or a browser obeys
OBEYED = {"\x1b", "\u202e"}
#: what may lie in the folder: SQLite makes the last two where the header of a file asks for them
BESIDE = {"s.db", "s.db.lock", "out", "s.db-wal", "s.db-shm"}
TABLES = [
    *("studies", "study_directions", "study_user_attributes", "study_system_attributes"),
    *("trials", "trial_user_attributes", "trial_system_attributes", "trial_params"),
    *("trial_values", "trial_intermediate_values", "trial_heartbeats"),
    *("version_info", "alembic_version"),
]
#: what a cell is given, besides values of other cells and changed JSON
CELLS: list[Any] = [
    *(None, 0, 1, -1, 2, 7, 2**31, 2**63 - 1, -(2**63), 0.5, 1e308, float("inf"), b"", b"\xff\xfe"),
    *("", "x", "me", "many", "nan", "\x1b[2J", "\u202e", "a\0b", "x" * 5000, "[" * 9000),
    *("yesterday", "2025-13-41 25:61:61"),
    *("RUNNING", "WAITING", "COMPLETE", "FAIL", "PRUNED", "MAXIMIZE", "NOT_SET", "FINITE", "NAN"),
    *("INF_POS", "9999-12-31 23:59:59.999999", "0001-01-01 00:00:00.000000", "../../x", "v9.9.9.a"),
    *("<script>alert(1)</script>", "os.system", f"{this_machine()}:abc:1", "candidate", "space"),
    *("worker", "nas:beat", "nas:died", "paused", "rung", "twins_of", "payoff", "objectives"),
]
DISTRIBUTIONS = [
    '{"name": "X", "attributes": {}}',
    '{"name": "FloatDistribution", "attributes": {"low": 2, "high": 1, "log": false}}',
    '{"name": "IntDistribution", "attributes": {"low": 1, "high": 9, "step": 0, "log": false}}',
    '{"name": "CategoricalDistribution", "attributes": {"choices": []}}',
    '{"name": "CategoricalDistribution", "attributes": {"choices": [[1], {"a": 1}]}}',
]


def make_database(path: Path) -> None:
    """A good one."""
    storage = open_storage(f"sqlite:///{path}", create=True)
    study = make_study(storage, "digits", trials=20)
    settings = ["search.pruner=halving", "training.epochs=9"]
    study.set_user_attr("space", json.dumps(SearchSpace.load("digits", settings).source.data))
    one = candidate(2, ["identity", "none", "projection"])
    attrs = measured(one, 0, 0.0, epochs=1)
    for state in (TrialState.RUNNING, TrialState.WAITING):
        study.add_trial(
            create_trial(
                state=state,
                user_attrs=attrs | {"worker": "far:1:2", "paused": True, "rung": 1},
                system_attrs={"nas:beat": 3, "nas:died": [1, 1], "fixed_params": {"depth": 2}},
                intermediate_values={1: 0.5},
            )
        )
    make_twins(
        study,
        depths=[1, 2],
        seeds=2,
        top=0,
        orders=("post_activation",),
        lr_factors=(1.0,),
        unfinished=1,
    )
    make_study(storage, "digits-random", trials=2).set_user_attr("baseline_of", "digits")
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("insert into trial_heartbeats values (1, 1, '2025-01-02 03:04:05')")


def cells() -> st.SearchStrategy[Any]:
    """What a cell is given."""
    texts = st.sampled_from([*JSON_VALUES, *DISTRIBUTIONS, *NUMBERS, *WORDS])
    return st.one_of(st.sampled_from(CELLS), texts)


@st.composite
def changes(draw: DrawFn) -> list[tuple[Any, ...]]:
    """What is done to a database: most often one thing. Rows are told by how far down they are."""
    found: list[tuple[Any, ...]] = []
    for _ in range(draw(st.sampled_from([1, 1, 1, 1, 2, 3]))):
        kind = draw(st.integers(0, 19))
        where = (draw(st.sampled_from(TABLES)), draw(st.integers(0, 2**16)))
        if kind <= 9:
            found.append(("set", *where, draw(st.integers(0, 9)), draw(cells())))
        elif kind <= 13:
            found.append(("json", *where, draw(st.integers(0, 2**32))))
        elif kind <= 18:
            found.append((("delete", "double", "swap", "all", "empty")[kind - 14], *where))
        else:
            found.append(("bytes", draw(st.integers(0, 2**24)), draw(st.binary(max_size=9))))
    return found


def damage(path: Path, done: list[tuple[Any, ...]]) -> None:
    """Do it to a database; what its constraints forbid is left out."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("pragma foreign_keys = off")
        for change in done:
            if change[0] != "bytes":
                with suppress(sqlite3.Error, OverflowError), connection:
                    change_rows(connection, *change)
    raw = bytearray(path.read_bytes())
    for change in done:
        if change[0] == "bytes":
            raw[change[1] % len(raw) : change[1] % len(raw) + len(change[2])] = change[2]
    path.write_bytes(raw)


def change_rows(
    connection: sqlite3.Connection, kind: str, table: str, row: int, *more: Any
) -> None:
    """One change of the rows of a table."""
    rows = [one for (one,) in connection.execute(f"select rowid from {table}")]
    names = [one[1] for one in connection.execute(f"pragma table_info({table})")]
    if not rows:
        return
    chosen, other = rows[row % len(rows)], rows[row * 7 % len(rows)]
    if kind == "set":
        name = names[more[0] % len(names)]
        connection.execute(f'update {table} set "{name}" = ? where rowid = ?', (more[1], chosen))
    elif kind == "all":
        connection.execute(f'update or ignore {table} set "{names[-1]}" = (select "{names[-1]}"'
                           " from " + table + " where rowid = ?)", (chosen,))  # fmt: skip
    elif kind == "json":
        mutate_json(connection, table, names, chosen, more[0])
    elif kind == "swap":
        swapped = f'(select "{names[-1]}" from {table} where rowid = ?)'
        query = f'update or ignore {table} set "{names[-1]}" = {swapped} where rowid = ?'
        connection.execute(query, (other, chosen))
    elif kind == "double":
        taken = ", ".join(f'"{name}"' for name in names[1:])
        connection.execute(
            f"insert into {table} ({taken}) select {taken} from {table} where rowid = ?", (chosen,)
        )
    else:
        here = "" if kind == "empty" else f" where rowid = {chosen}"
        connection.execute(f"delete from {table}{here}")


def mutate_json(
    connection: sqlite3.Connection, table: str, names: list[str], row: int, seed: int
) -> None:
    """Change the JSON in a row by its structure, that of JSON in it too."""
    name = next((one for one in names if one.endswith("json")), None)
    if name is None:
        return
    (text,) = connection.execute(f"select {name} from {table} where rowid = ?", (row,)).fetchone()
    with suppress(ValueError, TypeError, RecursionError):
        inner = json.loads(text)
        new = changed_json(inner, seed) if isinstance(inner, str) else None
        value = json.dumps(new) if new is not None else changed_json(text, seed)
        connection.execute(f"update {table} set {name} = ? where rowid = ?", (value, row))


def changed_json(text: str, seed: int) -> str:
    """A JSON text with one value put in the place of another."""
    tree = mutations.pairs(json.loads(text))
    places = mutations.places(tree)
    value = mutations.Raw(JSON_VALUES[seed % len(JSON_VALUES)])
    if not places:
        return value
    place = places[seed // len(JSON_VALUES) % len(places)]
    if seed % 3:
        mutations.put(tree, place, value)
    else:
        del mutations.at(tree, place[:-1])[place[-1]]
    return mutations.written(tree, mutations.scalar)


class NoWorkers:
    """A pool that has none."""

    def check(self, storage: Any, trials: Any) -> None:
        """Nothing."""

    def kill(self, worker: str) -> bool:
        """None is its own."""
        return False

    def stop(self) -> None:
        """Nothing."""


def check_study(good: Path, done: list[tuple[Any, ...]]) -> judge.Verdict:
    """Status, report and coordinator of a damaged copy; AssertionError where one breaks a bar."""
    here = Path.cwd() / "study"
    shutil.rmtree(here, ignore_errors=True)
    here.mkdir()
    shutil.copyfile(good, here / "s.db")
    damage(here / "s.db", done)
    return judge.timed(lambda: judge_study(here), MOST_SECONDS)


def judge_study(here: Path) -> tuple[str, str]:
    """Outcome and what was said: refused where each refused, and nothing outside its folder."""
    url = f"sqlite:///{here}/s.db"
    before = set(here.parent.iterdir())
    outcomes, said = [], ""
    for arguments in (["status"], ["report", "--out", str(here / "out")]):
        status, told = said_by([*arguments, "--storage", url])
        assert status in (0, 2), f"status {status}"
        assert "Traceback" not in told
        assert not OBEYED & set(told), "what a terminal obeys"
        outcomes.append(status)
        said += told
    for page in here.rglob("*.html"):
        assert "<script>alert" not in page.read_text(encoding="utf-8")
    coordinated, told = coordinate(url)
    outcomes.append(coordinated)
    assert not OBEYED & set(told), "what a terminal obeys"
    assert not list(here.rglob("*.part")), "a .part file is left"
    assert set(here.parent.iterdir()) == before, "a file outside"
    assert {path.name for path in here.iterdir()} <= BESIDE, "a file beside"
    return "accepted" if 0 in outcomes else "refused", said + told


def said_by(arguments: list[str]) -> tuple[int, str]:
    """The command line in this process: its status, and all it said."""
    out = io.StringIO()
    with redirect_stdout(out):
        status, errors = judge.nas(arguments)
    return status, out.getvalue() + errors


def coordinate(url: str) -> tuple[int, str]:
    """A moment of a coordinator, and what a worker would take: 0, or 2 where it was refused."""
    shown = io.StringIO()
    console = Console(file=shown, force_terminal=True, color_system=None, width=150)
    with redirect_stderr(shown):
        try:
            storage = open_storage(url)
            study = load_own_study(storage, None)
            space = space_of(study)
            refill = refill_of(study, space, 30, 2)
            progress = Progress(console, space.search.objectives, 30)
            run_trials(study, NoWorkers(), progress, refill, timeout=0.02, poll=0)
            pending_of(study, space)(study)
        except UserError as error:
            return 2, str(error)
    return 0, ""
