"""The report of a study: what it says, what it leaves out, and what it survives."""

import csv
import io
import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import InMemoryStorage
from optuna.study import Study
from optuna.trial import TrialState, create_trial
from report_studies import HOSTILE, candidate, make_study, make_twins, measured

from nas.common.errors import StudyError
from nas.report import data as facts
from nas.report.build import write_report
from nas.report.data import pareto_front
from nas.report.observational import importance, kinds_built
from nas.report.sections.gradients import log_ticks
from nas.report.style import COLOURS, signed
from nas.report.trial_rows import read_rows
from nas.report.writers import dashboard
from nas.report.writers.html import templates
from nas.report.writers.markdown import escaped

FILES = ["report.html", "report.md", "payoff.json", "trials.csv"]


@dataclass
class Report:
    """The files of a report."""

    folder: Path

    def read(self, name: str) -> str:
        """The text of a file."""
        return (self.folder / name).read_text(encoding="utf-8")

    @property
    def page(self) -> str:
        """The page up to its scripts."""
        return self.read("report.html").partition('<script type="application/json"')[0]

    @property
    def figures(self) -> dict[str, Any]:
        """The figures of the page by name."""
        html = self.read("report.html")
        found = re.search(r'id="figures">(.*?)</script>', html, flags=re.DOTALL)
        assert found
        return json.loads(found[1])

    @property
    def payoff(self) -> dict[str, Any]:
        """payoff.json, in which NaN and Infinity are errors."""
        return json.loads(self.read("payoff.json"), parse_constant=refuse)

    @property
    def trials(self) -> list[dict[str, str]]:
        """The lines of trials.csv."""
        return list(csv.DictReader(io.StringIO(self.read("trials.csv"))))


def refuse(constant: str) -> None:
    """A number that is none in JSON."""
    raise AssertionError(f"{constant} is no JSON")


Make = Callable[..., Report]


@pytest.fixture
def storage(monkeypatch: pytest.MonkeyPatch) -> InMemoryStorage:
    """A storage in memory, which the report opens under any URL."""
    found = InMemoryStorage()
    monkeypatch.setattr(facts, "open_storage", lambda url: found)
    return found


@pytest.fixture
def report(storage: InMemoryStorage, tmp_path: Path) -> Make:
    """Writes the report of a study of that storage."""

    def make(name: str = "digits") -> Report:
        paths = write_report("sqlite:///runs/nas.db", name, tmp_path)
        assert [path.name for path in paths] == FILES
        return Report(paths[0].parent)

    return make


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> tuple[InMemoryStorage, Report]:
    """A search with two objectives and its twins, three of each, four still to be trained."""
    storage = InMemoryStorage()
    study = make_study(storage, objectives=("val_accuracy", "parameters"))
    make_twins(study, depths=[1, 2, 5], seeds=3, unfinished=4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(facts, "open_storage", lambda url: storage)
        paths = write_report("sqlite:///runs/nas.db", "digits", tmp_path_factory.mktemp("runs"))
    return storage, Report(paths[0].parent)


def sentences(report: Report) -> list[str]:
    """The verdict."""
    found = report.payoff["verdict"]
    assert isinstance(found, list)
    return found


# What it says


def test_verdict_opens_the_page_the_markdown_and_the_note(twins):
    storage, written = twins
    headline = sentences(written)[0]
    assert written.page.index("<h2>Verdict</h2>") < written.page.index("<figure>")
    assert escaped(headline) in written.read("report.md")
    from optuna_dashboard import get_note

    assert escaped(headline) in get_note(optuna.load_study(study_name="digits", storage=storage))


def test_the_verdict_has_a_small_table_and_folds_the_sentences_that_repeat_it(twins):
    """Of two arms in two orders at three depths the ends."""
    written = twins[1]
    verdict = written.page.split("<h2>Verdict</h2>")[1].split("</section>")[0]
    shown, table, folded = re.split("<table>|<details>", verdict)
    told = sentences(written)
    place = next(place for place, one in enumerate(told) if one.startswith("Tested: "))
    assert 0 < shown.count("<li>") == place < len(told) - 1
    assert told[place] in shown
    assert folded.count("<li>") == len(told) - 1 - place
    rows = table.split("<tbody>")[1].split("</tr>")[:-1]
    assert [re.findall(r"<td[^>]*>(\d+)</td>", row)[0] for row in rows] == ["8", "32"] * 4


def test_without_twins_the_verdict_claims_nothing_and_names_the_command(storage, report):
    make_study(storage)
    written = report()
    assert "No twins have been trained yet" in written.page
    assert "observational" in written.page
    assert "<code>nas payoff digits</code>" in written.page
    assert written.payoff["twins"] is None
    assert not any(name.startswith(("gain", "map", "stages")) for name in written.figures)


def test_the_command_names_a_storage_that_is_not_the_default(storage, tmp_path):
    make_study(storage, trials=3)
    (page, *_) = write_report("postgresql://me:secret@host/nas", "digits", tmp_path)
    text = page.read_text()
    assert "--storage" in text
    assert "secret" not in text


def test_sections_come_in_the_order_people_ask(twins):
    ids = re.findall(r'<section id="(\w+)"', twins[1].page)
    order = [
        "gain",
        "trains",
        "accuracy",
        "map",
        "stages",
        "curves",
        "gradients",
        "search",
        "observed",
        "surface",
    ]
    assert ids == [*order, "checks", "best", "method"]


def test_every_pair_is_printed_where_there_are_five_or_fewer(twins):
    _, written = twins
    whole = [one for one in written.payoff["twins"]["ladder"] if one["interaction"]]
    effect = whole[0]["interaction"]["train_error"]
    assert effect["n"] == len(effect["pairs"]) == 3
    assert ", ".join(signed(pair) for pair in effect["pairs"]) in written.page


def test_pairs_are_not_printed_where_there_are_more_than_five(storage, report):
    study = make_study(storage, trials=4)
    make_twins(study, depths=[1, 5], seeds=6, orders=("post_activation",), top=0)
    written = report()
    effect = written.payoff["twins"]["ladder"][0]["interaction"]["train_error"]
    assert f"sign-flip p = {effect['p_value']:.3g}" in written.page
    assert ", ".join(signed(pair) for pair in effect["pairs"]) not in written.page


def test_one_pair_has_no_interval_anywhere(storage, report):
    make_twins(make_study(storage, trials=4), depths=[1, 5], seeds=1)
    written = report()
    effect = written.payoff["twins"]["ladder"][0]["interaction"]["train_error"]
    assert (effect["low"], effect["high"], effect["resolved"]) == (None, None, False)
    assert "one pair, no interval" in written.page
    assert not re.search(r"\b(inf|nan)\b", written.page + written.read("report.md"))


def test_only_resolved_effects_are_coloured_or_filled(storage, report):
    make_twins(make_study(storage, trials=4), depths=[1, 5], seeds=2)
    written = report()
    ladder = written.payoff["twins"]["ladder"]
    gains = [f for name, f in written.figures.items() if name.startswith("gain-train-error")]
    for trace in (trace for figure in gains for trace in figure["data"]):
        signs = trace.get("marker", {}).get("symbol")
        if isinstance(signs, list):
            for text, sign in zip(trace["text"], signs, strict=True):
                assert ("not resolved" in text) == sign.endswith("-open")
    unsure = [
        e for one in ladder for e in one["gains"]["train_error"].values() if not e["resolved"]
    ]
    assert unsure
    heat = written.figures["map-train-error"]["data"][0]
    for texts, values in zip(heat["text"], heat["z"], strict=True):
        assert all((text[0] == "(") == (z == 0) for text, z in zip(texts, values, strict=True))


def test_shortcut_kinds_have_one_colour_in_every_figure(twins):
    for name, figure in twins[1].figures.items():
        for trace in figure["data"]:
            if trace.get("name") in COLOURS:
                style = trace["line"] if "line" in trace else trace["marker"]
                assert style["color"] == COLOURS[trace["name"]], name


def test_arms_that_are_no_kind_of_shortcut_have_one_colour_in_figures_and_tables(storage, report):
    study = make_study(storage)
    make_twins(study, vary="join", depths=[1, 2], seeds=2)
    written = report()
    found = {}
    for figure in written.figures.values():
        for trace in figure["data"]:
            if trace.get("name") in ("skip_init", "drop_path"):
                found.setdefault(trace["name"], set()).add(trace["line"]["color"])
    assert [len(colours) for colours in found.values()] == [1, 1]
    for name, (colour,) in found.items():
        slug = name.replace("_", "-")
        assert f".kind-{slug}::before {{ background: {colour}; }}" in written.page


def test_counts_in_the_warning_are_those_of_the_trials(storage, report):
    make_study(storage, trials=60)
    written = report()
    outcomes = [row["outcome"] for row in written.trials]
    text = re.sub(r"<[^>]+>", "", written.page)
    assert f"Of 60 trials {outcomes.count('pruned')} were pruned" in text
    assert f"{outcomes.count('rejected')} were rejected untrained" in text
    assert f"{outcomes.count('failed')} failed" in text
    assert f"{outcomes.count('repeated')} repeated an earlier candidate" in text
    assert f"Effects stand on the {outcomes.count('trained')} trained to their end" in text


def test_method_names_what_was_done(twins):
    text = twins[1].page
    method = text[text.index('<section id="method"') :]
    seeds = "seeds 0, 2000000, 2000001, 2000002, 2010000 and 2010001"
    for words in ("1,260 training and 140 validation", "sampler tpe", seeds, "2.13.0"):
        assert words in method
    assert "4 in training or queued" in method


def test_budgets_say_speed_or_accuracy(storage, report):
    study = make_study(storage, trials=4)
    make_twins(study, depths=[1, 5], seeds=3, budgets=(1, 4), orders=("post_activation",), top=0)
    written = report()
    assert "Accuracy or speed?" in written.page
    assert {one["verdict"] for one in written.payoff["twins"]["budgets"].values()} <= {
        "speed",
        "accuracy",
        "persists",
        "appears",
        "not resolved",
    }


def test_several_objectives_have_a_front(twins):
    _, written = twins
    assert "pareto-1" in written.figures
    assert "Pareto front" in written.page


def test_a_surface_is_shown_only_where_it_predicts(storage, report):
    make_study(storage, trials=200)
    written = report()
    assert ("surface" in written.figures) != ("No surface is shown" in written.page)


# What it survives


def test_a_study_without_trials(storage, report):
    make_study(storage, trials=0)
    written = report()
    assert written.trials == []
    assert "No candidate has been trained to its end" in written.page


@pytest.mark.parametrize("unfinished", [1, 20, 40])
def test_half_finished_twins(storage, report, unfinished):
    study = make_study(storage, trials=4)
    make_twins(study, depths=[1, 5], seeds=2, orders=("post_activation",), unfinished=unfinished)
    assert report().payoff["twins"]["waiting"] == unfinished


@pytest.mark.parametrize("vary", ["transition", "activation_order", "block"])
def test_twins_of_another_choice(storage, report, vary):
    study = make_study(storage, trials=4)
    make_twins(study, depths=[1, 3], seeds=2, lr_factors=(1.0,), vary=vary)
    written = report()
    assert written.payoff["twins"]["vary"] == vary
    assert "map-train-error" in written.figures
    gains = written.read("report.md").split("## How much do shortcuts gain")[1].split("\n## ")[0]
    assert ("| activation order |" in gains) == (vary != "activation_order")


def test_twins_of_which_none_has_finished(storage, report):
    make_twins(make_study(storage, trials=4), depths=[1, 5], seeds=1, unfinished=10_000)
    written = report()
    assert "No twin has finished yet" in written.page
    assert "nas payoff digits" in written.page


def test_twins_that_another_version_wrote(storage, report):
    study = make_study(storage, trials=4)
    twins = make_twins(study, depths=[1, 5], seeds=1)
    attrs = twins.get_trials()[0].user_attrs | {"result": json.dumps({"curve": []})}
    twins.add_trial(create_trial(state=TrialState.COMPLETE, value=0.5, user_attrs=attrs))
    assert "cannot be analysed by this version" in report().page


@pytest.mark.parametrize(
    "attrs",
    [
        {},
        {"candidate": "{}", "result": "not JSON", "val_accuracy": "much"},
        {"candidate": 7, "result": "[]", "probes_0": "3", "provenance": "old", "seconds": None},
        {"val_accuracy": 0.9, "result": json.dumps({"curve": 3, "measures": []})},
    ],
)
def test_trials_that_another_version_wrote(storage, report, attrs):
    study = make_study(storage, trials=30)
    study.add_trial(create_trial(state=TrialState.COMPLETE, value=0.999, user_attrs=attrs))
    assert len(report().trials) == 31


def test_numbers_that_are_not_finite_are_left_out(storage, report):
    study = make_study(storage, trials=20)
    attrs = measured(candidate(1, ["none"] * 3), 0, 0.0)
    attrs |= {"val_accuracy": math.nan, "train_error": math.inf, "parameters": None}
    study.add_trial(create_trial(state=TrialState.COMPLETE, value=-math.inf, user_attrs=attrs))
    written = report()
    assert "NaN" not in written.read("report.html").partition("<script>")[0]
    assert written.payoff
    assert written.trials[-1]["val_accuracy"] == ""


def test_a_study_that_nas_did_not_make(storage, report):
    optuna.create_study(study_name="../foreign", storage=storage).optimize(
        lambda trial: trial.suggest_float("x", 0, 1), n_trials=3
    )
    with pytest.raises(StudyError, match="was not made by `nas search`, but by another program"):
        report("../foreign")


def test_a_study_that_is_not_there(storage, tmp_path):
    make_study(storage, trials=1)
    with pytest.raises(StudyError, match="there is no study 'other'"):
        write_report("sqlite:///x", "other", tmp_path)


def test_the_twins_lead_to_the_report_of_their_search(storage, report):
    make_twins(make_study(storage, trials=4), depths=[1, 2], seeds=1)
    assert report("digits-twins").folder.name == "digits"


# What may not get in


class Tags(HTMLParser):
    """Counts tags, and keeps those that could do something."""

    def __init__(self) -> None:
        super().__init__()
        self.scripts = 0
        self.active: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a script, a picture, or an attribute with code."""
        self.scripts += tag == "script"
        harmful = [
            key for key, value in attrs if key.startswith("on") or "javascript" in (value or "")
        ]
        if tag in ("img", "iframe", "object") or harmful:
            self.active.append(tag)


@pytest.fixture
def hostile(storage: InMemoryStorage) -> Study:
    """A study in which every name that can be is hostile."""
    study = make_study(storage, trials=60)
    study.set_user_attr("objectives", [HOSTILE])
    distribution = optuna.distributions.CategoricalDistribution([HOSTILE, "=1+1"])
    for number in range(20):
        attrs = measured(candidate(1 + number % 3, ["identity"] * 3), 0, number / 20)
        attrs |= {"provenance": {HOSTILE: HOSTILE}, "seed": HOSTILE, "error": HOSTILE}
        study.add_trial(
            create_trial(
                value=0.9 + number / 1000,
                params={HOSTILE: [HOSTILE, "=1+1"][number % 2]},
                distributions={HOSTILE: distribution},
                user_attrs=attrs,
            )
        )
    return study


def test_nothing_in_a_study_becomes_html(hostile, report):
    written = report()
    tags = Tags()
    tags.feed(written.read("report.html"))
    assert tags.active == []
    assert tags.scripts == 3
    assert "&lt;/script&gt;" in written.page
    for figure in written.figures.values():
        assert "<script" not in json.dumps(figure)
        assert "<img" not in json.dumps(figure)


def test_nothing_in_a_study_becomes_markdown(hostile, report):
    text = report().read("report.md")
    assert "<script" not in text
    assert "<img" not in text
    assert "](javascript" not in text.replace("\\]", "")
    tables = [line for line in text.splitlines() if line.startswith("| ")]
    assert all(re.sub(r"\\\|", "", line).rstrip().endswith("|") for line in tables)


def test_nothing_in_a_study_becomes_a_formula(hostile, report):
    for row in report().trials:
        assert all(not cell.startswith(("=", "+", "@")) for cell in row.values())


def test_a_name_is_no_path(storage, tmp_path):
    make_study(storage, name="a/../../b", trials=2)
    (page, *_) = write_report("sqlite:///x", "a/../../b", tmp_path)
    assert page.parent.parent == tmp_path


# Its parts


def test_the_page_allows_its_own_scripts_only(storage, report):
    make_study(storage, trials=3)
    html = report().read("report.html")
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', html)
    assert policy
    assert policy[1].startswith("default-src 'none'")
    assert "'unsafe-inline'" not in policy[1].partition("script-src")[2]
    assert not re.search(r'(?:src|href)="(?:https?:)?//', html.partition("<script>")[0])


def test_published_figures_are_small_and_basic(twins):
    storage, _ = twins
    from optuna_dashboard._custom_plot_data import get_plotly_graph_objects

    study = optuna.load_study(study_name="digits", storage=storage)
    objects = get_plotly_graph_objects(storage.get_study_system_attrs(study._study_id))
    assert {"nas-stages", "nas-map-train-error", "nas-edf"} <= objects.keys()
    for text in objects.values():
        assert len(text) < 60_000
        figure = json.loads(text)
        assert {trace["type"] for trace in figure["data"]} <= {"scatter", "bar", "heatmap"}
        assert "bdata" not in text
        assert figure["layout"]["title"]["text"]


def test_a_storage_that_cannot_be_written_to(storage, report, monkeypatch, caplog):
    make_study(storage, trials=4)

    def fail(*_: object) -> None:
        raise optuna.exceptions.StorageInternalError("read only")

    monkeypatch.setattr(dashboard, "publish", fail)
    assert report().trials
    assert "the dashboard shows no report" in caplog.text


def test_a_pareto_front_is_that_of_the_study(twins):
    study = optuna.load_study(study_name="digits", storage=twins[0])
    from nas.search.best_trials import best_trials

    front = pareto_front(read_rows(study.get_trials(deepcopy=False)), [True, False])
    assert {row.number for row in front} == {trial.number for trial in best_trials(study)}


def test_a_transition_in_the_place_of_all_shortcuts_is_an_option_of_its_own():
    one = candidate(1, ["identity", "projection", "none"]).architecture
    assert [kinds_built(one)[stage] for stage in range(3)] == [
        ["identity"],
        ["zero_pad only"],
        ["none"],
    ]
    deep = candidate(2, ["identity", "projection", "none"]).architecture
    assert kinds_built(deep)[1] == ["projection"]


def test_importance_finds_the_parameter_that_was_planted(storage):
    study = make_study(storage, trials=200)
    found = importance([r for r in read_rows(study.get_trials()) if r.outcome == "trained"])
    assert sum(found.values()) == pytest.approx(1)
    assert min(found, key=lambda name: found[name]) == "activation_order"


def test_importance_of_what_one_trial_alone_lacks_warns_nobody(storage, recwarn):
    rows = [r for r in read_rows(make_study(storage, trials=60).get_trials()) if r.val_error]
    name = next(iter(rows[0].trial.params))
    rows[0].trial.params.pop(name)
    rows[0].trial.distributions.pop(name)
    assert importance(rows)
    assert not [one.message for one in recwarn if one.category is UserWarning]


@pytest.mark.parametrize(
    ("value", "text"), [(1.26, "+1.3"), (-1.26, "−1.3"), (0.04, "0.0"), (-0.04, "0.0")]
)
def test_signs(value, text):
    assert signed(value) == text


@pytest.mark.parametrize("values", [[0.1, 0.2], [1e-5, 1e4], [3.0], [1e-60, 1.0]])
def test_ticks_of_logarithmic_axes_are_few_and_cover_the_values(values):
    ticks = [tick for tick in log_ticks(values)["tickvals"] if min(values) <= tick <= max(values)]
    assert len(ticks) <= 9


def test_cells_that_are_not_resolved_say_so():
    cell = templates().get_template("parts.html").module.cell
    assert "<small>not resolved</small>" in cell("+1.0 [−1.0, +3.0] not resolved")
    assert "number" in cell("+1.0 [0.5, +3.0]")


def test_figures_have_titles_on_their_axes(twins):
    for name, figure in twins[1].figures.items():
        axes = [figure["layout"][axis] for axis in ("xaxis", "yaxis")]
        is_list = name in ("parallel", "effects", "stages") or "map" in name or "errors" in name
        titles = [axis["title"].get("text") for axis in axes if axis.get("visible", True)]
        assert any(titles) or is_list, name
        assert all(titles) or is_list, name


def test_a_study_that_was_trained_is_reported_from_its_storage(tmp_path, monkeypatch):
    from nas.search.run import search
    from nas.space.space import SearchSpace

    monkeypatch.chdir(tmp_path)
    settings = [
        "training.epochs=1",
        "architecture.depth=1",
        "dataset.train_size=128",
        "search.workers=1",
        "search.probes=true",
    ]
    search(SearchSpace.load("digits", settings), trials=2, study="real")
    paths = write_report("sqlite:///runs/nas.db", "real", tmp_path / "out")
    assert [path.parent.name for path in paths] == ["real"] * 4
    written = Report(paths[0].parent)
    assert written.trials[0]["gradient_ratio@end"]
    assert "history" in written.figures


def test_drawings_have_distinct_names(twins):
    _, written = twins
    assert len(set(re.findall(r'id="figure-([\w-]+)"', written.page))) == len(written.figures) > 20


def test_twins_of_different_versions_are_pointed_out(storage, report):
    study = make_study(storage, trials=4)
    twins = make_twins(study, depths=[1, 3], seeds=1, lr_factors=(1.0,), top=0)
    assert "not trained under equal conditions" not in report().page
    attrs = twins.get_trials()[0].user_attrs | {"provenance": {"torch": "1.0"}}
    twins.add_trial(create_trial(state=TrialState.COMPLETE, value=0.5, user_attrs=attrs))
    assert "they differ in torch" in report().page


def test_a_place_where_only_one_arm_has_finished_is_not_compared(storage, report):
    study = make_study(storage, trials=4)
    make_twins(study, depths=[1, 3, 5], seeds=1, lr_factors=(1.0,), top=0, unfinished=18)
    written = report()
    for name, figure in written.figures.items():
        if name.startswith(("curve", "gradient")):
            assert len({trace["name"] for trace in figure["data"] if "name" in trace}) > 1
