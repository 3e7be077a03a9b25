"""SYN001: training steps that wait for the device, what excuses them, the fix and its inverse."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from wattleak.errors import UsageError
from wattleak.model import Persona, Severity
from wattleak.smells.registry import find_room, pairs
from wattleak.source.edits import apply
from wattleak.source.module import Module
from wattleak.source.project import Project
from wattleak.source.reading import parse, read

ROOM = find_room("SYN001")

HEAD = 'import torch\nfrom torch.nn import functional as F\ndevice = "cuda" if torch.cuda.is_available() else "cpu"\n'


def program(*step: str, before: str = "total = 0.0", after: str = "return total", head: str = HEAD) -> str:
    """Return a training function with lines at the end of its step."""
    lines = "\n        ".join(step)
    return (
        f"{head}def train(model, loader, optimizer, args, bar):\n    {before}\n"
        "    for i, (x, y) in enumerate(loader):\n        x, y = x.to(device), y.to(device)\n"
        "        optimizer.zero_grad()\n        output = model(x)\n        loss = F.cross_entropy(output, y)\n"
        f"        loss.backward()\n        optimizer.step()\n        {lines}\n    {after}\n"
    )


def module(code: str, name: str = "train.py") -> Module:
    parsed = parse(textwrap.dedent(code), Path(name))
    assert isinstance(parsed, Module), parsed
    return parsed


def found(code: str, name: str = "train.py"):
    return list(ROOM.detect(module(code, name), cpus=2))


STEPS = {
    "item in a sum": ("total += loss.item()  # HERE",),
    "item in arithmetic": ("total += loss.item() * x.size(0) / 2  # HERE",),
    "item in a variable": ("value = loss.item()  # HERE",),
    "item thrown away": ("loss.item()  # HERE",),
    "item in a list": ("bar.append(loss.item())  # HERE",),
    "item of a meter": ("bar.update(loss.item(), x.size(0))  # HERE",),
    "item in the log": ("args.writer.add_scalar('loss', loss.item(), i)  # HERE",),
    "detach and cpu": ("bar.append(loss.detach().cpu())  # HERE",),
    "cpu and numpy": ("bar.append(loss.detach().cpu().numpy())  # HERE",),
    "data": ("total += loss.data.item()  # HERE",),
    "to cpu": ("bar.append(loss.detach().to('cpu'))  # HERE",),
    "to a device that is the cpu": ("bar.append(loss.detach().to(torch.device('cpu')))  # HERE",),
    "tolist": ("bar.extend(output.argmax(1).tolist())  # HERE",),
    "float": ("total += float(loss)  # HERE",),
    "int of what was counted": ("total += int((output.argmax(1) == y).sum())  # HERE",),
    "bool": ("done = bool(loss < 1)  # HERE",),
    "item of what was counted": ("total += (output.argmax(1) == y).sum().item()  # HERE",),
    "second of max": ("_, best = output.max(1)", "total += best.eq(y).sum().item()  # HERE"),
    "print": ("print(i, loss)  # HERE",),
    "f-string": ("print(f'{i}: {loss:.3f}')  # HERE",),
    "percent": ("print('%d: %f' % (i, loss))  # HERE",),
    "format": ("print('{}: {}'.format(i, loss))  # HERE",),
    "progress bar": ("bar.set_postfix(loss=loss)  # HERE",),
    "progress bar with a number": ("bar.set_postfix({'loss': loss.item()})  # HERE",),
    "condition": ("if loss < 0.5:  # HERE", "    args.count += 1"),
    "in a block that always runs": ("with torch.no_grad():", "    total += loss.item()  # HERE"),
    "through a variable": ("value = loss.detach()", "total += value.item()  # HERE"),
    "through a function of nobody knows": ("score = args.metric(output, y)", "total += score.item()  # HERE"),
    "the first of two": ("total += loss.item()  # HERE", "bar.set_postfix(loss=loss.item())"),
}

WHOLE = {
    "callers choose the device": """
        import torch
        def train(model, device, loader, optimizer, criterion):
            total = 0.0
            for x, y in loader:
                loss = criterion(model(x.to(device)), y.to(device))
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                total += loss.item()  # HERE
            return total
        """,
    "module level": """
        import torch
        model = torch.nn.Linear(1, 1).cuda()
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        for x, y in loader:
            loss = (model(x.cuda()) - y.cuda()).pow(2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            print(loss.item())  # HERE
        """,
    "accelerate": """
        import torch
        from accelerate import Accelerator
        accelerator = Accelerator()
        def train(model, loader, optimizer):
            total = 0
            for batch in loader:
                outputs = model(**batch)
                accelerator.backward(outputs.loss)
                optimizer.step()
                total += outputs.loss.item()  # HERE
            return total
        """,
    "the step is a function": """
        import torch
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        def step(model, x, y, optimizer):
            optimizer.zero_grad()
            loss = torch.nn.functional.mse_loss(model(x.to(device)), y.to(device))
            loss.backward()
            optimizer.step()
            return loss.item()  # HERE
        def train(model, loader, optimizer):
            for x, y in loader:
                step(model, x, y, optimizer)
        """,
    "the step gives back a tensor": """
        import torch
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        def step(model, x, y, optimizer):
            loss = torch.nn.functional.mse_loss(model(x.to(device)), y.to(device))
            loss.backward()
            optimizer.step()
            return loss
        def train(model, loader, optimizer):
            for x, y in loader:
                loss = step(model, x, y, optimizer)
                print(float(loss))  # HERE
        """,
    "TensorFlow": """
        import tensorflow as tf
        device = "/GPU:0" if tf.config.list_physical_devices("GPU") else "/CPU:0"
        def train(model, data, optimizer, loss_fn):
            for x, y in data:
                with tf.device(device), tf.GradientTape() as tape:
                    loss = loss_fn(y, model(x, training=True))
                grads = tape.gradient(loss, model.trainable_variables)
                optimizer.apply_gradients(zip(grads, model.trainable_variables))
                print(loss.numpy())  # HERE
        """,
    "TensorFlow with a step that is a graph": """
        import tensorflow as tf
        gpus = tf.config.list_physical_devices("GPU")
        @tf.function
        def step(model, optimizer, loss_fn, x, y):
            with tf.GradientTape() as tape:
                loss = loss_fn(y, model(x, training=True))
            grads = tape.gradient(loss, model.trainable_variables)
            optimizer.apply_gradients(zip(grads, model.trainable_variables))
            return loss
        def train(model, optimizer, loss_fn, data):
            total = 0.0
            with tf.device("/GPU:0" if gpus else "/CPU:0"):
                for x, y in data:
                    loss = step(model, optimizer, loss_fn, x, y)
                    total += float(loss)  # HERE
            return total
        """,
}

POSITIVES = {**{name: program(*step) for name, step in STEPS.items()}, **WHOLE}

NOT_EACH_STEP = {
    "every hundredth": ("if i % 100 == 0:", "    print(loss.item())"),
    "every hundredth, continue": ("if i % 100:", "    continue", "print(loss.item())"),
    "asked for": ("if args.verbose:", "    print(loss.item())"),
    "kept on the device": ("total += loss.detach()",),
    "appended as it is": ("bar.append(loss.detach())",),
    "what the host knows": ("total += x.size(0)", "print(i, len(x), x.shape, args.rate)"),
    "a number of the host": ("print(float(i), args.rate.item())",),
    "labels of the loader": ("for name in args.names:", "    print(name.numpy())"),
    "without waiting": ("bar.append(loss.detach().to('cpu', non_blocking=True))",),
    "check for nan": ("if torch.isnan(loss):", "    raise ValueError"),
    "check for nan by number": (
        "value = loss.item()",
        "if not args.math.isfinite(value):",
        "    raise SystemExit(1)",
        "total += value",
    ),
    "the loss hangs on it": ("if loss.item() > 1:", "    loss += output.mean()"),
    "ends by the loss": ("if loss.item() < 1e-3:", "    break"),
    "the next state of an environment hangs on it": (
        "action = output.argmax(1).cpu().numpy()",
        "state = args.env.step(action)",
    ),
    "in a function of its own": ("def show():", "    print(loss.item())", "args.hooks.append(show)"),
    "hidden in a lambda": ("args.show = lambda: loss.item()",),
    "tensor on the log": ("args.writer.add_scalar('loss', loss, i)",),
    "logged text without the loss": ("print(f'{i} of {len(loader)}')",),
}

NEGATIVES = {
    **{name: program(*step) for name, step in NOT_EACH_STEP.items()},
    "CPU only": program("total += loss.item()", head='import torch\nimport torch.nn.functional as F\ndevice = "cpu"\n'),
    "callers choose the CPU": """
        import torch
        def train(model, device, loader, optimizer, criterion):
            for x, y in loader:
                loss = criterion(model(x.to(device)), y.to(device))
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                print(loss.item())
        train(net, torch.device("cpu"), data, optimizer, criterion)
        """,
    "after the loop": program("pass", after="return loss.item()"),
    "evaluation": """
        import torch
        def test(model, loader):
            model.cuda().eval()
            right = 0
            with torch.no_grad():
                for x, y in loader:
                    right += (model(x.cuda()).argmax(1) == y.cuda()).sum().item()
            return right
        """,
    "a step that nobody repeats": """
        import torch
        def step(model, x, y, optimizer):
            loss = torch.nn.functional.mse_loss(model(x.cuda()), y.cuda())
            loss.backward()
            optimizer.step()
            return loss.item()
        """,
    "a step that is repeated now and then": """
        import torch
        def step(model, x, y, optimizer):
            loss = torch.nn.functional.mse_loss(model(x.cuda()), y.cuda())
            loss.backward()
            optimizer.step()
            if model.steps % 10 == 0:
                print(loss.item())
        def train(model, loader, optimizer):
            for x, y in loader:
                step(model, x, y, optimizer)
        """,
    "inside a graph": """
        import tensorflow as tf
        device = "/GPU:0" if tf.config.list_physical_devices("GPU") else "/CPU:0"
        @tf.function
        def train(model, data, optimizer, loss_fn):
            for x, y in data:
                with tf.device(device), tf.GradientTape() as tape:
                    loss = loss_fn(y, model(x))
                print(loss)
                optimizer.apply_gradients(zip(tape.gradient(loss, model.weights), model.weights))
        """,
    "no framework": "for x in rows:\n    x.backward()\n    print(x.item())\n",
}


@pytest.mark.parametrize("code", POSITIVES.values(), ids=POSITIVES)
def test_finds_it_at_its_line(code: str) -> None:
    code = textwrap.dedent(code)
    marked = [number for number, line in enumerate(code.splitlines(), 1) if "# HERE" in line]
    findings = found(code)
    assert [finding.line for finding in findings] == marked
    assert {(finding.severity, finding.persona) for finding in findings} == {(Severity.INFO, Persona.DEFAULT)}


@pytest.mark.parametrize("code", NEGATIVES.values(), ids=NEGATIVES)
def test_leaves_it_alone(code: str) -> None:
    assert found(code) == []


def test_the_message_names_the_value_and_the_other_lines() -> None:
    (finding,) = found(program("total += loss.item()", "print(loss)", "bar.append(output.cpu())"))
    assert finding.message == (
        ".item() waits in every training step until the device has computed loss; so do lines 14, 15"
    )


@pytest.mark.parametrize(
    "step",
    [("args.scaler.step(optimizer)", "total += loss.item()"), ("optimizer.step(closure)", "total += loss.item()")],
    ids=["GradScaler", "LBFGS"],
)
def test_a_step_that_waits_anyway_is_for_auditors(step: tuple[str, ...]) -> None:
    (finding,) = found(program(*step))
    assert finding.persona is Persona.AUDITOR


def test_a_module_that_comes_back_from_a_server_is_no_value_of_the_device() -> None:
    """pytorch/examples distributed/rpc: `m.cpu()` moves a model, and its gradients are needed there."""
    assert not found(program("model = fetch([p.grad for p in model.cpu().parameters()], output).cuda()"))


def test_a_training_in_a_test_is_for_auditors() -> None:
    (finding,) = found("import pytest\n" + program("total += loss.item()"), "test_train.py")
    assert finding.persona is Persona.AUDITOR


def test_the_device_may_be_chosen_in_another_file(tmp_path: Path) -> None:
    files = {
        "engine.py": program("total += loss.item()")
        .replace(HEAD, HEAD.rpartition("device =")[0])
        .replace(".to(device)", ".to(args.device)"),
        "main.py": (
            "import torch\nfrom engine import train\n"
            'args.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")\n'
            "model = torch.nn.Linear(1, 1).to(args.device)\n"
            "train(model, loader, optimizer, args, None)\n"
        ),
    }
    for name, code in files.items():
        (tmp_path / name).write_text(code, encoding="utf-8")
    (tmp_path / "pyproject.toml").touch()
    made = Project([tmp_path / name for name in files])
    parsed = read(tmp_path / "engine.py")
    assert isinstance(parsed, Module)
    assert [finding.line for finding in ROOM.detect(made.adopt(parsed), cpus=2)] == [12]


# -- the fix -------------------------------------------------------------------------------------------------------


def fixed(code: str) -> str:
    before = module(code)
    (finding,) = ROOM.detect(before, cpus=2)
    assert finding.fix is not None
    assert not finding.fix.safe
    assert finding.fix.why_unsafe
    after = apply(before, finding.fix.edits)
    assert found(after) == []
    return after


def test_a_sum_stays_on_the_device_and_is_read_where_it_is_returned() -> None:
    before = program("total += loss.item() * len(x)", after="return total / len(loader)")
    assert fixed(before) == before.replace("loss.item() *", "loss.detach() *").replace(
        "return total", "return float(total)"
    )


def test_a_sum_that_is_read_often_becomes_a_number_after_the_loop() -> None:
    before = program("total += loss.item()", after="print(f'{total}')\n    return total")
    assert fixed(before).endswith(
        "        total += loss.detach()\n    total = float(total)\n    print(f'{total}')\n    return total\n"
    )


def test_what_is_read_now_and_then_is_read_there() -> None:
    before = program(
        *("total += loss.item()", "if i % 100 == 0:", "    print(total / 100)", "    total = 0.0"), after="return model"
    )
    assert "print(float(total) / 100)" in fixed(before)


def test_two_sums_are_fixed_together() -> None:
    before = program(
        *("total += float(loss)", "right += (output.argmax(1) == y).sum().item()"),
        before="total, right = 0.0, 0",
        after="return total, right",
    )
    after = fixed(before)
    assert "total += loss.detach()\n        right += (output.argmax(1) == y).sum()\n" in after
    assert after.endswith("return float(total), int(right)\n")


def test_all_of_a_chain_goes() -> None:
    assert "total += loss.detach()\n" in fixed(program("total += float(loss.detach().cpu().item())"))


def test_a_sum_in_tensorflow_needs_no_detach() -> None:
    after = fixed(WHOLE["TensorFlow with a step that is a graph"].replace("  # HERE", ""))
    assert "total += loss\n" in after
    assert "return float(total)\n" in after


NO_FIX = {
    "it is shown too": program("total += loss.item()", "print(loss.item())"),
    "it is read in every step": program("total += loss.item()", "bar.set_postfix(loss=total / (i + 1))"),
    "it is no sum": program("total = loss.item()"),
    "it does not start as a number": program("total += loss.item()", before="total = args.start"),
    "a function reads it": program("total += loss.item()", after="return lambda: total"),
    "global": program("total += loss.item()", before="global total"),
    "not added": program("total -= loss.item()"),
    "given to a function": program("total += round(loss.item(), 3)"),
}


@pytest.mark.parametrize("code", NO_FIX.values(), ids=NO_FIX)
def test_no_fix_is_offered_where_it_is_not_sure(code: str) -> None:
    (finding,) = found(code)
    assert finding.fix is None


# -- inject --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "code",
    [
        program("total += loss.detach()", after="return float(total)"),
        program("pass"),
        WHOLE["TensorFlow with a step that is a graph"].replace("float(loss)", "loss"),
        program("if i % 10 == 0:", "    print(loss.item())"),
    ],
    ids=["sum", "no sum", "TensorFlow", "read now and then"],
)
def test_inject_puts_the_smell_into_a_clean_program(code: str) -> None:
    clean = module(code)
    assert list(ROOM.detect(clean, cpus=2)) == []
    assert len(found(apply(clean, ROOM.inject(clean)))) == 1


@pytest.mark.parametrize(
    "code",
    ["import torch\nprint(torch.ones(1))\n", NEGATIVES["CPU only"].replace("loss.item()", "loss.detach()")],
    ids=["no training", "CPU only"],
)
def test_inject_says_when_it_cannot(code: str) -> None:
    with pytest.raises(UsageError, match=r"train\.py"):
        ROOM.inject(module(code))


def test_inject_reads_what_is_one_number() -> None:
    clean = module(program("pass"))
    smelly = apply(clean, ROOM.inject(clean))
    assert "        loss.backward()\n        loss.item()\n" in smelly
    assert "output.item()" not in smelly


def test_inject_says_when_the_smell_is_there_already() -> None:
    with pytest.raises(UsageError, match="already"):
        ROOM.inject(module(program("print(loss.item())")))


@pytest.mark.parametrize("framework", ["torch", "keras"])
def test_fix_and_inject_turn_one_program_into_the_other(framework: str) -> None:
    good, bad = (read(path) for path in pairs(ROOM.smell)[framework])
    assert isinstance(good, Module)
    assert isinstance(bad, Module)
    (finding,) = ROOM.detect(bad, cpus=2)
    assert apply(bad, finding.fix.edits).splitlines()[1:] == good.text.splitlines()[1:]
    assert apply(good, ROOM.inject(good)).splitlines()[1:] == bad.text.splitlines()[1:]
