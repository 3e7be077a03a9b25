"""More CPU threads are asked for than the process has CPUs to run them on.

What it does

    Finds thread numbers, set in code, that are larger than the number of CPUs this process may use, or that are twice
    the number of CPUs or more on any machine: torch.set_num_threads, tf.config.threading, threadpoolctl and the
    environment variables OMP_NUM_THREADS, MKL_NUM_THREADS, OPENBLAS_NUM_THREADS, NUMEXPR_NUM_THREADS and their like.
    A number that the code does not spell out (an argument, a configuration file) is never reported.

    What a single call is given counts too: n_jobs of scikit-learn, num_threads and n_jobs of LightGBM, num_workers of a
    DataLoader, workers of a Keras 2 fit. Jobs and workers that find no CPU wait and do not spin, so they are shown from
    eight for each CPU on, smaller numbers with --persona auditor only.

    So are two levels that multiply: a search or cross-validation of scikit-learn with several jobs, around LightGBM,
    CatBoost or a Keras wrapper, each of which takes all CPUs again. joblib keeps the threads of scikit-learn, PyTorch
    and XGBoost in check, so these are not reported, and neither is n_jobs=-1 by itself.

    In shell scripts, batch jobs, Dockerfiles, Compose and Kubernetes files and other configuration the same variables
    are compared with the CPUs that the same file grants: --cpus-per-task, resources.limits.cpu, cpus, --cpuset-cpus,
    taskset. A script that grants none is compared with this machine; what runs in a container or a batch job that
    grants none shows with --persona auditor only, as nobody knows on how many CPUs it will run.

    `wattleak measure` and `wattleak watch` count at run time what comes of it: how many threads of the program want a
    CPU at once, how often they are switched, how often a quota stops them, and pools inside the processes of a pool.
    A crowd under parallel jobs of joblib is told with the line that asked for the jobs, and the threads of the pools
    inside them.

Why it costs

    A parallel loop ends when its last thread ends. With more threads than CPUs some of them have no CPU, and those that
    do have one wait for them; OpenMP threads wait by spinning, which burns the CPU that the others need. A network has
    thousands of such loops in each epoch. How much it costs depends on the library: libgomp (PyTorch, scikit-learn)
    spins, TensorFlow's threads sleep, OpenBLAS, XGBoost and CatBoost cut the number down to the CPUs that they find,
    and idle pools (inter-op threads) only take memory. So the line alone is a suspicion, and
    `wattleak study unnecessary-parallelism` measures it.

Example

    torch.set_num_threads(64)
    os.environ["OMP_NUM_THREADS"] = str(8 * os.cpu_count())
    GridSearchCV(LGBMClassifier(), grid, n_jobs=-1)

Use instead

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    os.environ["OMP_NUM_THREADS"] = str(len(os.sched_getaffinity(0)))  # above the imports: it is read once
    GridSearchCV(LGBMClassifier(n_jobs=1), grid, n_jobs=-1)

    The affinity of the process is what the scheduler, taskset, Slurm and `docker --cpuset-cpus` leave to it;
    os.cpu_count() is the whole machine. Where sched_getaffinity does not exist (macOS, Windows), use
    os.process_cpu_count() of Python 3.13. A limit in CPU time (`docker --cpus 2`) shows in neither: give the number.

When it is fine

    - The program runs on a larger machine than the one where it was scanned: say so with `wattleak scan --cpus N`.
    - The threads wait for something other than a CPU, such as a disk or a network.
    - The number is capped where it is used, as in min(64, os.cpu_count()): this is not reported.

Evidence

    The two programs of the study (PyTorch 2.13.0, a virtual machine with 2 CPUs of an AMD EPYC, 21 November 2026, seeds
    0 to 3, not a controlled experiment: other programs used up to 10 % of the CPUs). 16 threads took 55.8 to 57.1
    CPU-seconds and 31.9 to 33.6 s, 2 threads took 10.4 to 12.2 CPU-seconds and 6.7 to 8.4 s. The accuracy differed by
    -0.001 to +0.008. `wattleak study unnecessary-parallelism` measures it on your machine, as an experiment.

    What was seen of the other pairs (same machine and day, other programs took most of its CPUs, so no times):
    TensorFlow 2.21.0 with Keras 3.15.1 took 15.1 and 15.7 CPU-seconds with 16 threads, 13.8 and 14.2 with 2, and gave
    up its CPU five times as often: its threads sleep where OpenMP's spin. The first loss was the same to the last
    digit, the accuracy differed by 0.001. scikit-learn 1.9.1 (two rounds of boosting) gave up its CPU 940,000 times
    with 16 threads and 812 times with 2, at the same accuracy. In a process that is given OMP_NUM_THREADS=1, as joblib
    gives it to its own, LightGBM 4.7.0 and CatBoost 1.2.10 still started a thread for each CPU and TensorFlow its
    pools; XGBoost 3.4.1 and PyTorch kept to one thread, XGBoost also when it was told to take six.

Fix safety

    Unsafe: it is never applied unasked. The number of threads decides in which order floating-point numbers are added,
    so results can differ in their last digits, and a written number may be right on the machine that it was meant for.
    The fix keeps the CPU count that the code already asks for and drops the factor; a written number becomes the number
    of CPUs that the process may use.
"""  # noqa: D412, D416 - these headings are those of the page that `explain` prints

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from typing import TYPE_CHECKING

from wattleak.errors import UsageError
from wattleak.model import Confidence, Edit, Finding, Fix, Severity, Smell
from wattleak.smells.finding import finding_at
from wattleak.smells.unnecessary_parallelism import rewriting
from wattleak.smells.unnecessary_parallelism.environment import variable_excess, variable_fix
from wattleak.smells.unnecessary_parallelism.jobs import job_sites
from wattleak.smells.unnecessary_parallelism.judging import judge
from wattleak.smells.unnecessary_parallelism.nested import nestings
from wattleak.smells.unnecessary_parallelism.sites import OPENMP, framework_numbers, openmp_numbers, sites
from wattleak.smells.unnecessary_parallelism.worth import worth
from wattleak.source import flow
from wattleak.source.edits import still_parses
from wattleak.source.walking import walk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wattleak.smells.unnecessary_parallelism.nested import Nesting
    from wattleak.smells.unnecessary_parallelism.sites import Site
    from wattleak.source.module import Module
    from wattleak.source.variables.reading import VariableFile

SMELL = Smell(
    code="PAR001",
    name="unnecessary-parallelism",
    summary="more CPU threads than the process has CPUs",
    page=inspect.cleandoc(__doc__ or ""),
    folder=Path(__file__).parent,
)

_INJECTED = 8  # threads for each CPU, as in the study


def detect(module: Module, *, cpus: int) -> Iterator[Finding]:
    """Yield every place that asks for more threads than `cpus`, or for a multiple of all CPUs."""
    seen = set()
    for site in (*sites(module), *job_sites(module)):
        found = None if site.node in seen else judge(module, site, cpus)
        if found is None or flow.runs_never(module, site.node):
            continue
        seen.add(site.node)
        reason, confidence = found
        message = f"{site.setter} asks for {reason}; {site.cost}"
        yield _finding(module, site.node, message, confidence, _fix(module, site))
    for nesting in nestings(module, cpus):
        if not flow.runs_never(module, nesting.node):
            yield _finding(module, nesting.node, nesting.message, Confidence.MEDIUM, _nesting_fix(module, nesting))


def _finding(module: Module, node: ast.expr, message: str, confidence: Confidence, fix: Fix | None) -> Finding:
    span = module.span(node)
    return finding_at(
        SMELL,
        module.path,
        span,
        message,
        severity=Severity.WARNING,
        confidence=confidence,
        fix=fix,
    )


def detect_variables(file: VariableFile, *, cpus: int) -> Iterator[Finding]:
    """Yield every variable that asks for more threads than the same file grants CPUs, or than `cpus` where it runs."""
    if "_THREADS" not in file.text:
        return
    for made in file.assignments:
        excess = variable_excess(made, cpus)
        if excess is None:
            continue
        yield finding_at(
            SMELL,
            file.path,
            made.span,
            excess.message,
            severity=Severity.WARNING,
            confidence=excess.confidence,
            fix=variable_fix(file, made),
            persona=excess.persona,
        )


def inject(module: Module) -> tuple[Edit, ...]:
    """Return edits that put the smell into a clean program: the inverse of the fix.

    Thread numbers that the program gives to PyTorch or TensorFlow are made eight for each CPU; where it gives none, a
    line that does so follows the import of the framework. A number under a condition stays under it.

    Raises:
        UsageError: the program does not import a framework at the top of the file, or has taken the name `os`.
    """
    edits = _injected(module)
    if edits is None or not still_parses(module, edits):
        raise UsageError(
            f"{module.path} has no place where the threads of PyTorch or TensorFlow can be set",
            "import torch or tensorflow on a line of its own, at the top of the file",
        )
    return edits


def _injected(module: Module) -> tuple[Edit, ...] | None:
    numbers, template = framework_numbers(module), f"{_INJECTED} * {{}}"
    if not numbers:
        after = rewriting.set_after_import(module, _INJECTED)
        if after is not None:
            return after
        numbers, template = rewriting.before_import(module, openmp_numbers(module)), f"str({_INJECTED} * {{}})"
        if not numbers:
            return rewriting.set_before_import(module, OPENMP, _INJECTED)
    edits: list[Edit] = []
    for number in numbers:
        own = rewriting.own_cpu_count(module, number)
        made = rewriting.replace(module, number, own, template)
        if made is None:
            return None
        edits += made
    return tuple(dict.fromkeys(edits))


def _fix(module: Module, site: Site) -> Fix | None:
    if site.number is not None or any(isinstance(node, ast.NamedExpr) for node in walk(site.node)):
        return None  # it is written in another file; the name may be read later
    asked = worth(module, site.node)
    if asked is None or asked.is_given:
        return None  # the callers say it, and go on saying it
    own = rewriting.own_cpu_count(module, site.node)
    edits = rewriting.replace(module, site.node, own, "str({})" if site.is_text else "{}")
    if edits is None or not still_parses(module, edits):
        return None
    order = "the number of threads decides in which order floating-point numbers are added"
    return Fix(
        title="drop the factor" if own else "use the number of CPUs that the process may use",
        safe=False,
        edits=edits,
        why_unsafe=order if own else f"the number may be right on the machine that it was meant for, and {order}",
    )


def _nesting_fix(module: Module, nesting: Nesting) -> Fix | None:
    if nesting.edit is None or not still_parses(module, (nesting.edit,)):
        return None
    return Fix(
        title=nesting.title,
        safe=False,
        edits=(nesting.edit,),
        why_unsafe="which level is the better one to parallelise depends on the number of fits and their size",
    )
