"""Run tables, sessions and experiment files: what is asked for is what is planned."""

from __future__ import annotations

from collections import Counter

import pytest

from wattleak.documents import design_document, design_from_document, plan_document, plan_from_document
from wattleak.errors import UsageError
from wattleak.experiment.design import make_plan, planned_session, with_session_added
from wattleak.experiment.factors import parse_combination, parse_factor, run_table
from wattleak.model import Design, Order, Variant
from wattleak.reports.words import repeat_command

TEMPLATE = Variant("all", ("python", "train.py", "--batch", "{batch}", '{"json": 1}'), {"OMP_NUM_THREADS": "{threads}"})
FACTORS = [parse_factor("batch=32,64,128"), parse_factor("threads=1,2")]


def design(**more: object) -> Design:
    table = run_table(TEMPLATE, FACTORS)
    chosen: dict[str, object] = {
        "variants": table.variants,
        "factors": table.factors,
        "template": table.template,
        "blocks": 4,
        "seed": 7,
        "metric": "cpu_s",
        **more,
    }
    return Design(**chosen)  # type: ignore[arg-type]


def test_every_combination_of_levels_is_a_variant_with_its_own_command_and_environment() -> None:
    table = run_table(TEMPLATE, FACTORS)
    assert [variant.name for variant in table.variants] == [
        "batch=32 threads=1",
        "batch=32 threads=2",
        "batch=64 threads=1",
        "batch=64 threads=2",
        "batch=128 threads=1",
        "batch=128 threads=2",
    ]
    last = table.variants[-1]
    assert last.command == ("python", "train.py", "--batch", "128", '{"json": 1}')
    assert last.env == {"OMP_NUM_THREADS": "2"}


def test_excluded_combinations_are_left_out_and_the_reference_leads() -> None:
    table = run_table(
        TEMPLATE,
        FACTORS,
        exclude=[parse_combination("batch=128", FACTORS), parse_combination("batch=32,threads=2", FACTORS)],
        reference=parse_combination("batch=64,threads=2", FACTORS),
    )
    assert [variant.name for variant in table.variants] == [
        "batch=64 threads=2",
        "batch=32 threads=1",
        "batch=64 threads=1",
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: parse_factor("batch"),
        lambda: parse_factor("batch=1,1"),
        lambda: parse_factor("=1,2"),
        lambda: parse_combination("lr=1", FACTORS),
        lambda: parse_combination("batch=33", FACTORS),
        lambda: run_table(TEMPLATE, [*FACTORS, parse_factor("lr=1,2")]),
        lambda: run_table(TEMPLATE, FACTORS, exclude=[parse_combination(f"batch={b}", FACTORS) for b in (32, 64, 128)]),
        lambda: run_table(TEMPLATE, FACTORS, reference=parse_combination("batch=32", FACTORS)),
        lambda: run_table(TEMPLATE, [FACTORS[0], FACTORS[0]]),
    ],
)
def test_what_does_not_fit_is_refused_with_a_remedy(wrong: object) -> None:
    with pytest.raises(UsageError) as refused:
        wrong()  # type: ignore[operator]
    assert refused.value.remedy


def test_a_plan_survives_being_written_down() -> None:
    plan = make_plan(design(sessions=3, order=Order.SEQUENTIAL, pad_environment=True))
    assert plan_from_document(plan_document(plan)) == plan
    assert design_from_document(design_document(plan.design)) == plan.design


def test_each_planned_session_has_its_own_warm_ups_seeds_and_order_and_all_blocks() -> None:
    plan = make_plan(design(sessions=3, pad_environment=True))
    blocks = [sorted({run.block for run in planned_session(plan, session)}) for session in range(3)]
    assert blocks == [[-1, 0, 1, 2, 3], [-2, 4, 5, 6, 7], [-3, 8, 9, 10, 11]]
    assert set(Counter((run.block, run.variant) for run in plan.runs).values()) == {1}
    assert len({run.seed for run in plan.runs}) == 15  # shared inside a block, different between blocks
    assert len({run.padding_b for run in plan.runs}) > 50
    assert all(0 <= run.padding_b < 4096 for run in plan.runs)


def test_an_added_session_is_the_one_that_a_longer_plan_would_have_had() -> None:
    longer = with_session_added(make_plan(design(sessions=2)))
    assert longer.runs == make_plan(design(sessions=3)).runs
    assert longer.runs[: len(planned_session(longer, 0))] == make_plan(design()).runs


def test_sequential_order_runs_all_of_one_variant_first() -> None:
    plan = make_plan(design(order=Order.SEQUENTIAL, warmups=0))
    assert [run.variant for run in plan.runs] == [v.name for v in plan.design.variants for _ in range(4)]


def test_the_command_that_repeats_a_run_table_gives_the_same_plan() -> None:
    import shlex

    from wattleak.cli.compare import _treatments
    from wattleak.cli.main import build_parser

    table = run_table(
        TEMPLATE,
        FACTORS,
        exclude=[parse_combination("batch=128,threads=1", FACTORS)],
        reference=parse_combination("batch=64,threads=2", FACTORS),
    )
    plan = make_plan(design(variants=table.variants))
    words = shlex.split(repeat_command(plan))[1:]
    assert _treatments(build_parser(words).parse_args(words)).variants == table.variants
