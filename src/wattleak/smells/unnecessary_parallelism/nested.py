"""Parallel jobs around an estimator that brings threads of its own, which joblib does not cut down.

joblib gives each of its processes a share of the CPUs by way of OMP_NUM_THREADS and its like. That reaches
scikit-learn, PyTorch and XGBoost (even where XGBoost is given a number). It does not reach LightGBM, CatBoost and
TensorFlow, which count the CPUs themselves.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, NamedTuple

from wattleak.model import Edit
from wattleak.smells.unnecessary_parallelism.sites import called
from wattleak.smells.unnecessary_parallelism.worth import worth
from wattleak.source.arguments import argument
from wattleak.source.calls import Located
from wattleak.source.referents import Expression, Instance, name_of
from wattleak.source.resolving import qualified_name, referents
from wattleak.source.values import CpuMultiple, Number
from wattleak.source.walking import walk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wattleak.source.module import Module

_AROUND = frozenset(
    {
        *("sklearn.model_selection.GridSearchCV", "sklearn.model_selection.RandomizedSearchCV"),
        *("sklearn.model_selection.HalvingGridSearchCV", "sklearn.model_selection.HalvingRandomSearchCV"),
        *("sklearn.model_selection.cross_val_score", "sklearn.model_selection.cross_validate"),
        *("sklearn.model_selection.cross_val_predict", "sklearn.model_selection.learning_curve"),
        *("sklearn.model_selection.validation_curve", "sklearn.model_selection.permutation_test_score"),
        *("sklearn.feature_selection.RFECV", "sklearn.feature_selection.SequentialFeatureSelector"),
        *("sklearn.ensemble.BaggingClassifier", "sklearn.ensemble.BaggingRegressor"),
        *("sklearn.multiclass.OneVsRestClassifier", "sklearn.multiclass.OneVsOneClassifier"),
        *("sklearn.multioutput.MultiOutputClassifier", "sklearn.multioutput.MultiOutputRegressor"),
    }
)
"""They fit copies of their first argument, `estimator`, in n_jobs processes."""

_LAST = frozenset(name.rpartition(".")[2] for name in _AROUND)


_BOOSTERS = ("Classifier", "Regressor", "Ranker")


class _Own(NamedTuple):
    """How an estimator is told its number of threads."""

    names: tuple[str, ...]  # of the parameters; the first is the one to set
    all_cpus: frozenset[object]  # numbers that stand for all CPUs, whatever joblib leaves to it; None: no number given


_LIGHTGBM = _Own(("n_jobs", "num_threads", "nthread"), frozenset({None, -1}))
_CATBOOST = _Own(("thread_count",), frozenset({None, -1}))
_KERAS = _Own((), frozenset({None}))

_ESTIMATORS: dict[str, _Own] = {
    **{f"lightgbm.LGBM{kind}": _LIGHTGBM for kind in (*_BOOSTERS, "Model")},
    **{f"catboost.CatBoost{kind}": _CATBOOST for kind in (*_BOOSTERS, "")},
    **{f"scikeras.wrappers.Keras{kind}": _KERAS for kind in ("Classifier", "Regressor")},
    **{f"keras.wrappers.SKLearn{kind}": _KERAS for kind in ("Classifier", "Regressor")},
}

_NESTING = 3  # pipelines in pipelines


class Nesting(NamedTuple):
    """Two levels of parallelism that multiply."""

    node: ast.expr  # the outer number of jobs, or the call that is given one from another file
    message: str
    title: str  # of the fix
    edit: Edit | None  # that leaves one level; None: the place is in another file


class _Inner(NamedTuple):
    """An estimator and the threads that it asks for."""

    module: Module
    call: ast.Call
    own: _Own
    threads: int  # 0: all CPUs
    number: Located | None  # where that is written


def nestings(module: Module, cpus: int) -> Iterator[Nesting]:
    """Yield every call that fits an estimator several times at once, and each time with more threads than its share."""
    if cpus == 1 or "n_jobs" not in module.text:
        return
    for call in walk(module.tree):
        if not isinstance(call, ast.Call) or not (call.args or call.keywords):
            continue
        name = called(module, call, _LAST)
        jobs = _given(module, call, "n_jobs") if name in _AROUND else None
        side_by_side = 1 if jobs is None else _jobs(jobs, cpus)
        if name is None or jobs is None or side_by_side <= 1:
            continue
        estimator = argument(module, call, "estimator", 0)
        found = [_inners(one.module, one.node, _NESTING) for one in (estimator.values if estimator else ())]
        inners = [inner for some in found for inner in some or ()]
        if None in found or not any(side_by_side * (inner.threads or cpus) > cpus for inner in inners):
            continue
        is_here = jobs.node in module.scopes.scope_of
        yield Nesting(
            jobs.node if is_here else call.func, _message(name, jobs, inners[0]), *_edit(module, jobs, inners[0])
        )


def _inners(module: Module, node: ast.expr, depth: int) -> list[_Inner] | None:
    """Return the estimators that `node` can be; None: it may be one that joblib keeps in check, or is not known."""
    found: list[_Inner] = []
    for referent in referents(module, node) or (None,):
        if not isinstance(referent, Instance) or referent.call is None:
            return None
        name = name_of(referent)
        if name in {"sklearn.pipeline.Pipeline", "sklearn.pipeline.make_pipeline"}:
            last = _last_step(referent.module, referent.call)
            inside = _inners(last.module, last.node, depth - 1) if last is not None and depth > 0 else None
        else:
            inner = _inner(referent.module, referent.call, _ESTIMATORS.get(name or ""))
            inside = None if inner is None else [inner]
        if inside is None:
            return None
        found += inside
    return found


def _inner(module: Module, call: ast.Call, own: _Own | None) -> _Inner | None:
    if own is None or any(argument(module, call, name) is None for name in own.names):
        return None
    number = next(filter(None, (_given(module, call, name) for name in own.names)), None)
    threads = (0 if None in own.all_cpus else None) if number is None else _threads(number, own)
    return None if threads is None else _Inner(module, call, own, threads, number)


def _threads(number: Located, own: _Own) -> int | None:
    """Return the threads that an estimator is told to take; 0: all CPUs; None: not known, or left to joblib."""
    asked = worth(*number)
    match asked.value if asked is not None else None:
        case Number(value=threads) if threads in own.all_cpus:
            return 0
        case Number(value=int(threads)) if threads > 1:
            return threads
        case CpuMultiple(factor=factor) if factor >= 1:
            return 0
        case _:
            return None


def _last_step(module: Module, call: ast.Call) -> Located | None:
    """Return the last step of a pipeline, where it is written out."""
    if qualified_name(module, call.func) == "sklearn.pipeline.make_pipeline":
        return Located(module, call.args[-1]) if call.args else None
    given = argument(module, call, "steps", 0)
    if given is None or len(given.values) != 1:
        return None
    known = referents(*given.values[0])
    match next(iter(known)) if known is not None and len(known) == 1 else None:
        case Expression(module=home, node=ast.List(elts=[*_, ast.Tuple(elts=[_, step])])):
            return Located(home, step)
        case _:
            return None


def _given(module: Module, call: ast.Call, name: str) -> Located | None:
    """Return the one expression that a call gives for a parameter."""
    found = argument(module, call, name)
    return found.values[0] if found is not None and len(found.values) == 1 and not found.may_be_absent else None


def _jobs(jobs: Located, cpus: int) -> float:
    """Return how many fits run side by side; 1 where that is not known."""
    asked = worth(*jobs)
    match asked.value if asked is not None else None:
        case Number(value=int(number)):
            return number if number >= 0 else cpus + 1 + number  # -1: as many as CPUs, -2: one less
        case CpuMultiple(factor=factor):
            return factor * cpus
        case _:
            return 1


def _message(name: str, jobs: Located, inner: _Inner) -> str:
    estimator = (qualified_name(inner.module, inner.call.func) or "").rpartition(".")[2]
    own = "all CPUs" if inner.threads == 0 else f"{inner.threads} threads"
    return (
        f"{name.rpartition('.')[2]} runs several fits side by side (n_jobs={jobs.module.segment(jobs.node)}), and each "
        f"{estimator} takes {own} for itself, which joblib does not cut down: parallelise one level"
    )


def _edit(module: Module, jobs: Located, inner: _Inner) -> tuple[str, Edit | None]:
    """Return the title of the fix, and the edit: one thread for each fit, or one fit at a time."""
    if not inner.own.names:
        is_here = jobs.node in module.scopes.scope_of
        return "run one fit at a time", Edit(*module.span(jobs.node), "1") if is_here else None
    title = f"give each fit one thread, {inner.own.names[0]}=1"
    if inner.number is not None:
        is_here = inner.number.node in module.scopes.scope_of
        return title, Edit(*module.span(inner.number.node), "1") if is_here else None
    if inner.call not in module.scopes.scope_of:
        return title, None
    last = max((*inner.call.args, *(keyword.value for keyword in inner.call.keywords)), key=_end, default=None)
    span = module.span(inner.call if last is None else last)
    column = span.end_column - (last is None)  # before the closing bracket
    added = f"{'' if last is None else ', '}{inner.own.names[0]}=1"
    return title, Edit(span.end_line, column, span.end_line, column, added)


def _end(node: ast.expr) -> tuple[int, int]:
    return node.end_lineno or node.lineno, node.end_col_offset or node.col_offset
