"""`nas analyse`: anybody's table read, matched, compared and reported; scipy is the reference."""

import csv
import gzip
import json
import lzma
import sys
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from report_studies import make_study
from scipy import stats

from nas.cli import main
from nas.statistics import permutation_p, sign_flip_p
from nas.storage.open import open_storage
from nas.tables.analysis import Analysis, analyse
from nas.tables.pairs import Question
from nas.tables.read import DataTable, TableError, read_table
from nas.tables.report import files_of, write_analysis
from nas.tables.text import verdict

ASKED: dict[str, Any] = {"vary": "shortcut", "value": "accuracy"}


def table(rows: list[dict[str, Any]]) -> DataTable:
    return DataTable("it.csv", {name: [str(row[name]) for row in rows] for name in rows[0]}, 2)


def rows_of(
    gains: dict[str, float], sites: int = 3, seeds: int = 6, spread: float = 0.2
) -> list[dict[str, Any]]:
    """Accuracies of `none` and of arms that gain so much, at several sites with several seeds."""
    found, drawn = [], np.random.default_rng(5)
    for site in range(sites):
        for seed in range(seeds):
            base = 80 + 3 * site + drawn.normal()
            for arm, gain in {"none": 0.0, **gains}.items():
                value = base + gain + spread * drawn.normal()
                found.append({"shortcut": arm, "site": site, "seed": seed, "accuracy": value})
    return found


def asked(rows: list[dict[str, Any]], **options: Any) -> Analysis:
    return analyse(table(rows), Question(**ASKED | options))


# Effects.


def test_one_site_is_the_paired_t_test_of_scipy_over_seeds() -> None:
    rows = rows_of({"identity": 0.3}, sites=1, seeds=4)
    found = asked(rows, seed="seed", match=("site",))
    none, identity = (
        [row["accuracy"] for row in rows if row["shortcut"] == arm] for arm in ("none", "identity")
    )
    (one,) = found.comparisons
    reference = stats.ttest_rel(identity, none)
    assert found.matched.unit == "pair"
    assert one.effect.mean == pytest.approx(np.mean(identity) - np.mean(none))
    low, high = reference.confidence_interval()
    assert (one.effect.low, one.effect.high) == pytest.approx((low, high))
    assert one.answer.p_adjusted >= reference.pvalue - 1e-12
    exact = stats.permutation_test(
        (identity, none), lambda a, b: np.mean(a) - np.mean(b), n_resamples=np.inf
    )
    assert one.effect.unpaired_p == pytest.approx(exact.pvalue)


def test_many_units_have_the_interval_of_the_t_test() -> None:
    rows = rows_of({"identity": 0.1}, sites=150, seeds=1)
    (one,) = asked(rows, match=("site", "seed")).comparisons
    differences = np.array(one.effect.pairs)
    reference = stats.ttest_1samp(differences, 0.0)
    assert (one.effect.low, one.effect.high) == pytest.approx(
        tuple(reference.confidence_interval())
    )
    assert one.effect.n == 150


def test_the_units_of_clusters_are_their_means() -> None:
    rows = rows_of({"identity": 1.0}, sites=5, seeds=4)
    found = asked(rows, match=("site", "seed"), cluster="site")
    (one,) = found.comparisons
    gains = {}
    for site in range(5):
        arms = {
            arm: np.mean(
                [row["accuracy"] for row in rows if (row["site"], row["shortcut"]) == (site, arm)]
            )
            for arm in ("none", "identity")
        }
        gains[site] = arms["identity"] - arms["none"]
    assert (one.num_pairs, one.effect.n) == (20, 5)
    assert sorted(one.effect.pairs) == pytest.approx(sorted(gains.values()))
    assert "5 clusters of site" in verdict(found)[0]


def test_seeds_of_several_sites_are_no_independent_pairs_unless_that_is_asked() -> None:
    rows = rows_of({"identity": 1.0}, sites=5, seeds=4)
    over_sites = asked(rows, match=("site",), seed="seed")
    over_seeds = asked(rows, match=("site",), seed="seed", cluster="seed")
    assert over_sites.comparisons[0].effect.n == 5
    assert over_seeds.comparisons[0].effect.n == 4
    assert "--cluster seed" in " ".join(verdict(over_sites))


def test_the_columns_without_another_part_are_matched() -> None:
    found = asked(rows_of({"identity": 1.0}, sites=2, seeds=3), seed="seed")
    assert found.matched.match == ("site",)
    assert len(found.matched.pairs) == 6


def test_several_arms_and_groups_are_one_family() -> None:
    rows = rows_of({"identity": 1.0, "projection": 0.0}, sites=2, seeds=8, spread=0.1)
    found = asked(rows, seed="seed", by="site", match=(), smallest_effect=0.5)
    assert [(one.group, one.arm) for one in found.comparisons] == [
        ("0", "identity"),
        ("0", "projection"),
        ("1", "identity"),
        ("1", "projection"),
    ]
    said = [one.answer.answer for one in found.comparisons]
    assert said == ["pays", "no difference"] * 2
    single = asked([row for row in rows if row["site"] == 0], seed="seed", match=())
    assert found.comparisons[0].answer.p_adjusted >= single.comparisons[0].answer.p_adjusted


def test_an_undecided_comparison_says_how_many_more_units_would_do() -> None:
    values = [("none", s, 1.0) for s in range(4)] + [
        ("identity", s, v) for s, v in enumerate((1.0, 3.0, 0.5, 2.5))
    ]
    rows = [{"shortcut": a, "seed": s, "accuracy": v} for a, s, v in values]
    (sentence, *_) = verdict(asked(rows, seed="seed", match=()))
    assert sentence.startswith("Undecided: accuracy with shortcut identity is higher by 0.8 than")
    assert "more pairs with this mean and spread would decide it." in sentence


def test_whether_runs_train_is_told_apart_from_how_well() -> None:
    rows = rows_of({"identity": 1.0}, sites=1, seeds=8)
    for row in rows:
        if row["shortcut"] == "none" and row["seed"] < 3:
            row["accuracy"] = 10.0
    found = asked(rows, seed="seed", match=(), trains_above=20.0)
    hurdle = found.comparisons[0].hurdle
    assert hurdle is not None
    assert (hurdle.trains.plain.count, hurdle.trains.residual.count) == (3, 0)
    assert hurdle.gain is not None
    assert hurdle.gain.n == 5
    assert hurdle.gain.mean == pytest.approx(1.0, abs=0.4)
    wilson = stats.binomtest(5, 8).proportion_ci(method="wilson")
    assert 1 - hurdle.trains.plain.high == pytest.approx(wilson.low)
    assert "none: 5 of 8" in " ".join(verdict(found))


def test_false_signs_are_few_where_nothing_differs_but_clusters_do() -> None:
    """Pairs of one cluster share a shift: taken as units they claim far too much."""
    drawn, studies = np.random.default_rng(6), 100
    wrong = {"cluster": 0, "pair": 0}
    for _ in range(studies):
        rows = []
        for site in range(8):
            shift = drawn.normal()
            for seed in range(6):
                base = drawn.normal()
                rows += [
                    {"shortcut": "none", "site": site, "seed": seed, "accuracy": base},
                    {
                        "shortcut": "identity",
                        "site": site,
                        "seed": seed,
                        "accuracy": base + shift + 0.3 * drawn.normal(),
                    },
                ]
        for unit, cluster in (("cluster", "site"), ("pair", None)):
            (one,) = asked(rows, match=("site", "seed"), cluster=cluster).comparisons
            wrong[unit] += one.answer.is_decided
    assert wrong["cluster"] <= 10
    assert wrong["pair"] >= 30


@pytest.mark.parametrize("shift", [0.02, 0.05])
def test_the_normal_limit_of_the_exact_tests_is_what_drawing_gives(shift: float) -> None:
    pairs = np.random.default_rng(8).normal(shift, 1.0, 2_500)
    drawn = stats.permutation_test(
        (pairs,), np.sum, permutation_type="samples", n_resamples=9_999, rng=1
    ).pvalue
    assert sign_flip_p(pairs) == pytest.approx(drawn, abs=0.03)
    first, second = pairs[:1_250], pairs[1_250:] - shift
    between = stats.permutation_test(
        (first, second), lambda a, b: a.mean() - b.mean(), n_resamples=9_999, rng=1
    ).pvalue
    assert permutation_p(first, second) == pytest.approx(between, abs=0.03)


# What a table may be.


@pytest.mark.parametrize(
    ("name", "opener"), [("it.csv", open), ("it.csv.gz", gzip.open), ("it.csv.xz", lzma.open)]
)
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_tables_are_read_plain_and_packed(
    tmp_path: Path, name: str, opener: Any, delimiter: str
) -> None:
    with opener(tmp_path / name, "wt", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerows([["a", "b"], ["x, y; z", "1"], [], ["ü", "2"]])
    found = read_table(str(tmp_path / name))
    assert found.columns == {"a": ["x, y; z", "ü"], "b": ["1", "2"]}
    assert (found.name, found.place(0)) == ("it", f"{tmp_path / name}, row 2")


def test_parquet_is_read_where_it_can_be(tmp_path: Path) -> None:
    path = tmp_path / "it.parquet"
    path.write_bytes(b"PAR1")
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        with pytest.raises(TableError, match=r"pip install 'nas\[parquet\]'"):
            read_table(str(path))
        return
    with pytest.raises(TableError, match="cannot be read as Parquet"):
        read_table(str(path))
    rows = rows_of({"identity": 1.0})
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    columns["accuracy"][0] = None
    pyarrow.parquet.write_table(pyarrow.table(columns), path)
    found = read_table(str(path))
    assert (found.columns["seed"][1], found.columns["accuracy"][0]) == ("0", "")
    rows[0]["accuracy"] = ""
    (as_text,), (as_parquet,) = (
        analyse(one, Question(**ASKED, seed="seed")).comparisons for one in (table(rows), found)
    )
    assert as_parquet.effect == as_text.effect


def test_a_study_of_another_program_is_a_table(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/theirs.db"
    open_storage(url, create=True)
    study = optuna.create_study(storage=url, study_name="theirs")
    for seed in range(6):
        for kind in ("none", "identity"):
            study.enqueue_trial({"kind": kind}, user_attrs={"seed": seed})

    def objective(trial: optuna.Trial) -> float:
        kind = trial.suggest_categorical("kind", ["none", "identity"])
        if trial.number == 12:
            raise optuna.TrialPruned
        return trial.user_attrs["seed"] + (kind == "identity") + 0.01 * trial.number

    study.optimize(objective, n_trials=13)
    found = analyse(
        read_table(url, "theirs"),
        Question(vary="param.kind", value="value", seed="attr.seed", match=()),
    )
    (one,) = found.comparisons
    assert one.effect.n == 6
    assert one.effect.mean == pytest.approx(1.01)
    assert found.num_rows == 12


def test_a_search_is_a_table_with_the_columns_of_its_trials_csv(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/nas.db"
    make_study(open_storage(url, create=True))
    found = read_table(url)
    assert {"val_accuracy", "shortcuts", "depths", "seed", "param.depth"} <= set(found.columns)
    assert found.num_rows == sum(cell != "" for cell in found.columns["val_accuracy"])


# What is refused.

GOOD = [
    {"shortcut": arm, "site": site, "accuracy": 1.0 + site}
    for arm in ("none", "identity")
    for site in range(3)
]


@pytest.mark.parametrize(
    ("rows", "options", "told"),
    [
        (
            GOOD,
            {"vary": "shortcutt"},
            "no column 'shortcutt'; it has shortcut, site, accuracy. Did",
        ),
        (GOOD, {"value": "loss"}, "no column 'loss'"),
        (GOOD, {"match": ("depth",)}, "no column 'depth'"),
        (GOOD, {"cluster": "cell"}, "no column 'cell'"),
        (GOOD, {"seed": "site", "match": ("site",)}, "given as --match and --seed"),
        (GOOD, {"by": "accuracy"}, "--by accuracy is what is varied or compared"),
        (GOOD, {"value": "shortcut"}, "given as --vary and --value"),
        (GOOD, {"reference": "plain"}, "--reference plain: shortcut is identity, none in it.csv"),
        (GOOD[:3], {}, "shortcut is 'none' in all 3 rows with a value: one value only"),
        (
            GOOD[:3] + [GOOD[4] | {"site": 9}],
            {},
            "it.csv has no pairs: no two rows differ in shortc",
        ),
        (GOOD[:5] + [GOOD[5] | {"accuracy": "high"}], {}, "it.csv, row 7: accuracy is 'high'"),
        (GOOD[:5] + [GOOD[5] | {"accuracy": "inf"}], {}, "row 7: accuracy is inf. Let a run that"),
        ([row | {"accuracy": ""} for row in GOOD], {}, "no row with a value of accuracy"),
        (
            [row | {"shortcut": f"{row['shortcut']}{i}"} for i in range(11) for row in GOOD],
            {},
            "shortcut has 22 different values, and at most 20",
        ),
        (
            [row | {"machine": row["shortcut"]} for row in GOOD],
            {"cluster": "machine", "match": ("site",)},
            "lie in two clusters of machine, 'identity' and 'none'",
        ),
    ],
)
def test_what_cannot_be_answered_is_a_sentence(
    rows: list[dict[str, Any]], options: dict[str, Any], told: str
) -> None:
    with pytest.raises(TableError, match=r"^.+\.$|\?$") as found:
        asked(rows, **options)
    assert told in str(found.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"", "is empty"),
        (b"a,b\n1\n", "row 2 has 1 cells and the head 2"),
        (b"a,a\n1,2\n", "'a' as the name of several columns"),
        (b"\xff\xfe\x00", "cannot be read as CSV in UTF-8"),
    ],
)
def test_what_is_no_table_is_told(tmp_path: Path, text: bytes, told: str) -> None:
    (tmp_path / "it.csv").write_bytes(text)
    with pytest.raises(TableError, match=r"it\.csv") as found:
        read_table(str(tmp_path / "it.csv"))
    assert told in str(found.value)


def test_files_that_are_missing_or_torn_are_told(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="there is no file"):
        read_table(str(tmp_path / "none.csv"))
    (tmp_path / "it.csv.gz").write_bytes(b"no gzip")
    with pytest.raises(TableError, match="cannot be read as CSV"):
        read_table(str(tmp_path / "it.csv.gz"))
    with pytest.raises(TableError, match="goes with the URL of a storage"):
        read_table(str(tmp_path / "it.csv.gz"), "study")


def test_rows_that_are_left_out_are_counted() -> None:
    rows = [
        *GOOD,
        GOOD[0] | {"accuracy": "3.0"},
        GOOD[0] | {"site": 7},
        GOOD[0] | {"site": 8, "accuracy": "nan"},
    ]
    found = asked(rows)
    assert (found.matched.missing, found.matched.averaged, found.matched.unmatched) == (1, 1, 1)
    said = " ".join(verdict(found))
    assert "1 row without accuracy or shortcut is left out." in said
    assert "1 place without a partner is in no pair." in said
    first = next(pair for pair in found.matched.pairs if pair.key == ("0",))
    assert first.reference_value == 2.0


# The report.


def test_the_command_writes_a_report_and_says_what_it_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    rows = rows_of({"identity": 1.0}, sites=1, seeds=8)
    path = tmp_path / "theirs.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    words = ["--vary", "shortcut", "--value", "accuracy", "--match", "site", "--seed", "seed"]
    monkeypatch.setattr(sys, "argv", ["nas", "analyse", str(path), *words, "--out", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    told = capsys.readouterr().out.splitlines()
    folder = tmp_path / "theirs-by-shortcut"
    assert told[-1] == f"Report: {folder / 'report.html'}"
    names = ["analysis.json", "effects.csv", "pairs.csv", "report.html", "report.md"]
    assert sorted(one.name for one in folder.iterdir()) == names
    stored = json.loads((folder / "analysis.json").read_text())
    assert stored["verdict"] == told[:-1]
    assert stored["comparisons"][0]["answer"]["answer"] == "higher"
    with (folder / "pairs.csv").open(newline="") as file:
        pairs = list(csv.DictReader(file))
    differences = [float(pair["difference"]) for pair in pairs]
    assert np.mean(differences) == pytest.approx(stored["comparisons"][0]["effect"]["mean"])
    with (folder / "effects.csv").open(newline="") as file:
        (effect,) = csv.DictReader(file)
    assert float(effect["difference"]) == pytest.approx(np.mean(differences), rel=1e-5)


def test_nothing_of_a_table_is_read_as_html_markdown_or_a_formula(tmp_path: Path) -> None:
    evil = "=<script>alert(1)</script>|`**"
    rows = [row | {"shortcut": row["shortcut"].replace("identity", evil)} for row in GOOD]
    files = files_of(asked(rows, match=("site",)))
    page = files["report.html"].partition('<script type="application/json"')[0]
    assert "<script>alert" not in page
    assert "<script>" not in files["report.md"]
    assert "'=<script>" in files["effects.csv"]
    json.loads(files["analysis.json"])


def test_one_pair_has_no_interval_and_is_reported_all_the_same(tmp_path: Path) -> None:
    found = asked([GOOD[0], GOOD[3]])
    assert "no interval from one unit" in verdict(found)[0]
    assert len(write_analysis(found, "one", tmp_path)) == 5
