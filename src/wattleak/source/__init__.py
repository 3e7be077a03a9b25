"""Reading code that is not trusted: it is parsed, never imported and never executed.

For authors of rules. A rule is `detect(module, *, cpus)`. The module knows the project that it was scanned with, so
that every question below is answered across files: imports (absolute, relative, star), re-exports, builders in other
files, `self` attributes, arguments by what callers give, `**` of dicts, functools.partial, notebooks. What is not known
is None, or an empty list of reasons to fire; a rule that meets None stays silent.

    what does this stand for                resolving.qualified_name(module, expression) -> "torch.nn.Linear" | None
    ... when it can be several things       resolving.qualified_names(module, expression) -> {"a.B", ...} | None
    ... as classes, functions, instances    resolving.referents(module, expression) -> {Instance(...)} | None
    is it a model                           resolving.is_a(referent, {"torch.nn.Module"}) -> True | False | None
    which values may it have                calls.values(module, expression) -> {0, 4} | None
    which values may this argument have     calls.argument_values(module, call, "n", default=0) -> {0, 4} | None
    ... as expressions, and is it there     calls.argument(module, call, "num_workers") -> Argument | None
    which loops repeat it, across files     calls.repetitions(module, node) -> [Repetition(loop, through)]
    which loops of its own function         calls.loops_around(module, node) -> [ast.For, ...]
    who calls this function                 calls.call_sites(Function(module, node)) -> [Site] | None (it escapes)
    what do callers give                    calls.parameter_values(Function(module, node), "model") -> [Located] | None
    where does it stand                     calls.enclosing_function, enclosing_class, owner_class(module, node)
    under which decorators and `with`       calls.decorators(module, node), calls.contexts(module, node)
    under which conditions                  flow.conditions(module, node), flow.runs_never(module, node)
    where does the result go                uses.uses(module, expression) -> [Use(How.DISCARDED), ...]

For example, a data loader that works in the training process, whatever way its arguments take:

    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call) and qualified_name(module, node.func) == "torch.utils.data.DataLoader":
            if argument_values(module, node, "num_workers", 5, default=0) == {0}:
                ...

and a model that is built anew in a loop, wherever the loop is:

    made = referents(module, call)
    if made and all(is_a(one, {"torch.nn.Module"}) for one in made) and repetitions(module, call):
        kept = {use.how for use in uses(module, call)} & {How.RETURNED, How.ATTRIBUTE_STORE, How.ELEMENT}

Names are what the code says: `tf.keras.Sequential` is `tensorflow.keras.Sequential`, and `keras.models.Sequential`
another name for it; a rule lists the names that it means. A function's order of statements is not followed: a name with
two values has both. Attributes are followed through `self`, inheritance and what the same file stores from outside; a
store from outside in another file is not seen. `names.dotted_name` and `values.evaluate` are the same questions
for one file alone, and faster.

Environment variables are in `variables`: a rule that looks at them has a `detect_variables(file, *, cpus)` and asks
`file.assignments` (name, value, scope, command, CPUs granted) or, for YAML, JSON and TOML, `file.entries`.

Training code has questions of its own in `learning`: is it a model, a loader, an optimizer; which loops run over
batches and which over epochs; does a tensor hold its graph; are gradients off; is there an accelerator; how often does
this run.

Positions: lines from 1 and columns from 0 in characters, through `module.span(node)`. A notebook is one module; the
scan turns its lines into cell and line, so a rule need not know.
"""
