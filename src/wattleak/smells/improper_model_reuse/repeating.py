"""What repeats a piece of code, and whether a loop says that it wants a fresh model each time."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from wattleak.smells.improper_model_reuse.constancy import Rounds, is_constant, within, words_of
from wattleak.source import calls, flow, standing
from wattleak.source.calls import Located
from wattleak.source.learning import is_loader
from wattleak.source.referents import Function
from wattleak.source.resolving import qualified_name
from wattleak.source.walking import walk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wattleak.source.calls import Site
    from wattleak.source.module import Module
    from wattleak.source.standing import FunctionNode, Loop

_MOST_MENTIONS = 100  # of a name: who calls something of so common a name is not looked for
_EVERYWHERE = frozenset(
    {"main", "run", "train", "test", "setup", "forward", "__call__", "call", "fit", "build", "step"}
)
"""Functions that most files of a project have: who calls them is looked for in their own file alone."""
_HOPS = 2  # calls between a loop and the function that builds
_HANDLERS = re.compile(
    r"^(flask\.(Flask|Blueprint)|fastapi\.(FastAPI|APIRouter|applications\.FastAPI|routing\.APIRouter)|"
    r"sanic\.Sanic|starlette\.applications\.Starlette|bottle|quart\.Quart|quart\.Blueprint)"
    r"\.(route|get|post|put|patch|delete|websocket)$"
)
_APPLIES = frozenset(
    {"apply", "map", "applymap", "progress_apply", "parallel_apply", "imap", "imap_unordered", "starmap", "map_async"}
)
_PLAIN_DECORATORS = frozenset(
    {
        *("torch.no_grad", "torch.inference_mode", "torch.enable_grad", "functools.wraps", "builtins.staticmethod"),
        *("builtins.classmethod", "typing.override", "torch.set_grad_enabled"),
    }
)
_FRESH_WANTED = frozenset(
    {
        *("fold", "folds", "kfold", "kf", "skf", "cv", "split", "splits", "seed", "seeds", "run", "runs", "trial"),
        *(
            "trials",
            "rep",
            "reps",
            "repeat",
            "repeats",
            "repetition",
            "repetitions",
            "replicate",
            "replicates",
            "member",
        ),
        *("members", "ensemble", "ensembles", "restart", "restarts", "bootstrap", "bootstraps", "experiment", "grid"),
        *(
            "experiments",
            "attempt",
            "attempts",
            "tries",
            "retry",
            "retries",
            "config",
            "configs",
            "cfg",
            "cfgs",
            "param",
        ),
        *("params", "hparams", "hyperparams", "combo", "combos", "combination", "combinations", "arch", "archs"),
        *("variant", "variants", "candidate", "candidates", "population", "individual", "genome", "generation"),
        *(
            "generations",
            "ablation",
            "ablations",
            "benchmark",
            "product",
            "scenario",
            "scenarios",
            "learner",
            "learners",
        ),
        *("version", "versions", "setting", "settings", "case", "cases", "mode", "modes"),
    }
)
_FRESH_TO_TRAIN = frozenset(
    {
        *("client", "clients", "task", "tasks", "agent", "agents", "player", "players", "worker", "workers", "device"),
        *("devices", "backend", "backends", "dtype", "dtypes", "precision", "class", "classes", "label", "labels"),
        *("target", "targets", "group", "groups", "subset", "subsets", "dataset", "datasets", "subject", "subjects"),
        *(
            "model",
            "models",
            "size",
            "sizes",
            "lr",
            "lrs",
            "rate",
            "rates",
            "optimizer",
            "optimizers",
            "layer",
            "layers",
        ),
        *("stock", "stocks", "symbol", "symbols", "ticker", "tickers", "patient", "patients", "node", "nodes", "round"),
        *(
            "stage",
            "stages",
            "phase",
            "phases",
            "level",
            "levels",
            "fraction",
            "fractions",
            "horizon",
            "window",
            "noise",
        ),
    }
)
_EPOCH = frozenset({"epoch", "epochs", "epoc", "episode", "episodes"})
_BATCH = frozenset({"batch", "minibatch"})
_STEP = frozenset({"step", "iteration", "iter"})
_SEEDS = re.compile(r"(^|\.)(manual_seed(_all)?|set_random_seed|set_seed|seed_everything|seed|PRNGKey|fix_seed\w*)$")
_SEARCH = frozenset({"trial", "hp", "hparams", "hyperparameters", "tuner"})


def rounds_of(module: Module, node: ast.expr) -> Iterator[Rounds]:
    """Yield what repeats `node`: the innermost loop of its function, or the innermost loops around calls of that."""
    yield from _rounds(module, node, (), _HOPS, set())


def _rounds(
    module: Module, node: ast.expr, through: tuple[Site, ...], hops: int, seen: set[ast.AST]
) -> Iterator[Rounds]:
    loops = standing.loops_around(module, node)
    if loops:
        yield Rounds(module, loops[0], through)
        return
    function = standing.enclosing_function(module, node)
    if function is None or hops <= 0 or function in seen or _gives_other(module, function):
        return
    seen.add(function)
    if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) and any(_handles(module, function)):
        if not through:
            yield Rounds(module, None)
        return
    if any(name not in _PLAIN_DECORATORS for name in standing.decorators(module, function)):
        return  # a cache, a fixture, nobody knows
    if not _is_repeated_name(module, node, hops, set(), elsewhere=True):
        return
    sites, escapes = calls.references(Function(module, function))
    if not through and any(_applies(mention) for mention in escapes):
        yield Rounds(module, None)
    for site in sites:
        yield from _rounds(site.module, site.call, (site, *through), hops - 1, seen)


def may_repeat(module: Module, node: ast.expr, *, elsewhere: bool) -> bool:
    """Tell by the text alone whether anything may repeat `node`: following names costs far more.

    `elsewhere`: loops in other files count too, for which these have to be parsed.
    """
    return bool(standing.loops_around(module, node)) or _is_repeated_name(module, node, _HOPS, set(), elsewhere)


def _is_repeated_name(  # noqa: PLR0911 - one return for each way to tell
    module: Module, node: ast.expr, hops: int, seen: set[str], elsewhere: bool
) -> bool:
    function = standing.enclosing_function(module, node)
    if function is None:
        return False
    if isinstance(function, ast.Lambda):
        return _applies(Located(module, function))
    if any(_handles(module, function)):
        return True
    if hops <= 0 or function.name in seen:
        return False
    seen.add(function.name)
    outside = elsewhere and function.name not in _EVERYWHERE
    for home in module.home.mentioning(function.name) if outside else (module,):
        mentions = home.mentions.get(function.name, ())
        if len(mentions) > _MOST_MENTIONS:
            return False
        for mention in mentions:
            parent = home.scopes.parent_of.get(mention)
            if isinstance(parent, ast.Call) and parent.func is mention:
                if standing.loops_around(home, parent) or _is_repeated_name(home, parent, hops - 1, seen, elsewhere):
                    return True
            elif _applies(Located(home, mention)):
                return True
    return False


def _handles(module: Module, function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[bool]:
    """Yield for what a function is seen to answer requests."""
    yield [item.arg for item in function.args.args] == ["event", "context"]  # of a cloud
    for name in standing.decorators(module, function):
        yield name is not None and _HANDLERS.match(name) is not None


def _gives_other(module: Module, function: FunctionNode) -> bool:
    """Tell whether a function is a generator, or one that is searched over: then a call of it is no round."""
    arguments = {item.arg for item in function.args.args}
    return bool(arguments & _SEARCH) or any(
        isinstance(item, ast.Yield | ast.YieldFrom) and standing.enclosing_function(module, item) is function
        for item in walk(function)
    )


def _applies(mention: Located) -> bool:
    """`frame.apply(f)`, `map(f, rows)`, `delayed(f)(row)`, `Interface(fn=f)`: the function runs for each of many."""
    parents = mention.module.scopes.parent_of
    parent = parents.get(mention.node)
    if isinstance(parent, ast.keyword):
        above = parents.get(parent)
        name = qualified_name(mention.module, above.func) if isinstance(above, ast.Call) else None
        return parent.arg == "fn" and name is not None and name.startswith("gradio.")
    if not isinstance(parent, ast.Call) or not parent.args or parent.args[0] is not mention.node:
        return False
    function = parent.func
    return (isinstance(function, ast.Attribute) and function.attr in _APPLIES) or (
        isinstance(function, ast.Name) and function.id in {"map", "delayed"}
    )


def steps_from(rounds: Rounds, module: Module, node: ast.expr) -> Iterator[tuple[Module, ast.expr, ast.AST | None]]:
    """Yield the node, and every call that leads to it, each with the loop or function that it stands in."""
    here: list[tuple[Module, ast.expr]] = [*((site.module, site.call) for site in rounds.through), (module, node)]
    for number, (home, call) in enumerate(here):
        first = number == 0
        yield home, call, rounds.loop if first and rounds.loop is not None else standing.enclosing_function(home, call)


def happens_each_time(module: Module, node: ast.expr, rounds: Rounds, names: frozenset[str]) -> bool:
    """Tell whether every round reaches `node`, as far as the conditions and the jumps around it tell.

    `names` are what the model is stored as: a condition on one of them asks whether it is there already.
    """
    return all(
        _each_time(home, call, region, rounds if call is node else rounds.outward(), names)
        for home, call, region in steps_from(rounds, module, node)
    )


def _each_time(module: Module, node: ast.expr, region: ast.AST | None, rounds: Rounds, names: frozenset[str]) -> bool:
    parents = module.scopes.parent_of
    around: set[ast.expr] = set()
    child: ast.AST = node
    while child is not region and child in parents:
        parent = parents[child]
        match parent:
            case ast.If(test=test) | ast.IfExp(test=test) if child is not test:
                if _asks_for(test, names) or not is_constant(module, test, rounds):
                    return False
                around.add(test)
            case ast.BoolOp(values=values) if child is not values[0]:
                return False  # model or build()
            case ast.ExceptHandler() | ast.match_case():
                return False
            case ast.Try(body=body, orelse=orelse) if child in body and _leaves(orelse):
                return False
            case _:
                pass
        if isinstance(child, ast.stmt) and _leaves_after(parent, child, region):
            return False
        child = parent
    return not any(
        test not in around and (region is None or within(module, test, region)) and _asks_for(test, names)
        for test in flow.conditions(module, node)
    )


def _asks_for(test: ast.expr, names: frozenset[str]) -> bool:
    words = words_of([test])
    mentioned = {getattr(node, "id", getattr(node, "attr", None)) for node in walk(test)}
    return bool(mentioned & names) or bool(words & {"cache", "cached", "loaded", "initialized", "built"})


def _leaves(block: list[ast.stmt]) -> bool:
    return any(isinstance(statement, ast.Break | ast.Return | ast.Raise) for statement in block)


def _leaves_after(parent: ast.AST, child: ast.stmt, region: ast.AST | None) -> bool:
    """Tell whether the block of `child` always ends the loop after it, so that there is no next round."""
    if not isinstance(region, ast.For | ast.AsyncFor | ast.While):
        return False
    for block in (getattr(parent, name, None) for name in ("body", "orelse", "finalbody")):
        if isinstance(block, list) and child in block:
            return _leaves(block[block.index(child) + 1 :])
    return False


# -- what a loop says ----------------------------------------------------------------------------------------------


def _heads(loop: Loop) -> tuple[list[ast.expr], list[ast.expr]]:
    """Return what a loop binds, and what it runs over."""
    match loop:
        case ast.While(test=test):
            return [test], []
        case ast.For(target=target, iter=iterable) | ast.AsyncFor(target=target, iter=iterable):
            return [target], [iterable]
        case _:
            return [item.target for item in loop.generators], [item.iter for item in loop.generators]


def wants_fresh(rounds: Rounds, module: Module, node: ast.expr, *, trains: bool) -> bool:
    """Tell whether the rounds are folds, seeds, members, settings: then each is meant to have a model of its own."""
    for home, call, _ in steps_from(rounds, module, node):
        function = standing.enclosing_function(home, call)
        if function is not None and {item.arg for item in function.args.args} & _SEARCH:
            return True
        if words_of([ast.Name(getattr(function, "name", ""))]) & {"benchmark", "profile", "objective", "ensemble"}:
            return True
    loop = rounds.loop
    if loop is None:
        return False
    bound, over = _heads(loop)
    words = words_of([*bound, *over])
    if words & _FRESH_WANTED or (trains and words_of(bound) & _FRESH_TO_TRAIN):
        return True
    for piece in (piece for iterable in over for piece in walk(iterable)):
        if isinstance(piece, ast.Call) and isinstance(piece.func, ast.Attribute) and piece.func.attr == "split":
            return True
    return _sets_seed(rounds.module, loop)


def _sets_seed(module: Module, loop: Loop) -> bool:
    """Tell whether each round draws its numbers from another seed."""
    rounds = Rounds(module, loop)
    for node in walk(loop):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name):
            name = ast.unparse(node.func)
            if _SEEDS.search(name) and not all(is_constant(module, item, rounds) for item in node.args):
                return True
    return False


def is_sweep(loop: Loop | None) -> bool:
    """Tell whether a loop runs over values that are written out: `for size in (16, 32)`."""
    return isinstance(loop, ast.For) and isinstance(loop.iter, ast.List | ast.Tuple | ast.Dict | ast.Set)


def is_epoch_loop(loop: Loop | None) -> bool:
    """Tell whether a loop counts epochs: `for epoch in range(n)`, `for i in range(epochs)`, `while epoch < epochs`."""
    if not isinstance(loop, ast.For | ast.While) or is_sweep(loop):
        return False
    bound, over = _heads(loop)
    counting = [item for item in over if isinstance(item, ast.Call) and "range" in ast.unparse(item.func)]
    return bool(words_of([*bound, *counting]) & _EPOCH)


def is_batch_loop(module: Module, loop: Loop | None) -> bool:
    """Tell whether a loop runs over batches: a data loader, or what is called one."""
    if loop is None or is_sweep(loop):
        return False
    bound, over = _heads(loop)
    if words_of(bound) & _BATCH or words_of(over) & {"loader", "dataloader", "batches", "minibatches"}:
        return True
    return any(is_loader(module, iterable) for iterable in over)


def is_step_loop(module: Module, loop: Loop | None) -> bool:
    """Tell whether a loop counts steps or runs over batches."""
    if loop is None or is_sweep(loop):
        return False
    return bool(words_of(_heads(loop)[0]) & _STEP) or is_batch_loop(module, loop)
