"""The process loads its GPU libraries from the wrong place, or is told a place that it never looks at.

What it does

    In Python, finds

    - LD_LIBRARY_PATH set in os.environ of a program that trains and starts no other: the loader read it when the
      process began, so that it changes nothing in this process. A warning where an import of a framework or a ctypes
      call follows that is meant to use it, a note otherwise.
    - CUDA_VISIBLE_DEVICES set after the GPU was used or asked about: CUDA has read it by then.
    - CUDA_VISIBLE_DEVICES set to nothing or to -1 in a program that asks for a GPU by name.

    In scripts, Dockerfiles, Compose and Kubernetes files and other configuration, and in Python too, finds versions of
    CUDA that disagree in one place: CUDA_HOME, PATH, LD_LIBRARY_PATH, the image (nvidia/cuda, pytorch/pytorch) and
    packages (torch==2.4.0+cu118, the index /whl/cu121, nvidia-cublas-cu12, cupy-cuda12x). In Dockerfiles also a build
    of a framework for the CPU on an image of CUDA, and, as a note, a path that puts the CUDA of the system before the
    libraries that the wheels bring.

    Which device is chosen with CUDA_VISIBLE_DEVICES is nobody's fault, and is not looked at; neither is what is only
    read, compared or put back, nor what a script sets under a condition.

    `wattleak measure` and `wattleak watch` look at run time which libraries a process has really loaded: from elsewhere
    than its packages bring them, twice, in versions that disagree with the metadata of its wheels, OpenMP of two makes;
    and whether an accelerator stays unused. measure also sees a library path that a program sets for itself in vain.

Why it costs

    Three cases, very different in what they cost. Folders that do not exist, or hold nothing, are looked through in
    vain: some thousand failed look-ups at the start, a few milliseconds, and nothing after it. Libraries of another
    version are loaded instead of those that the framework was built with: slow kernels, errors of versions, crashes. Or
    a library is not found at all, and TensorFlow goes on without the GPU: of the three this is what costs, and one line
    of a log is all that tells it.

    A library path that is set inside Python is none of the three: it does nothing at all.

Example

    os.environ["LD_LIBRARY_PATH"] = "/usr/local/cuda-11.8/lib64"      # too late for this process
    import tensorflow as tf

    export CUDA_HOME=/usr/local/cuda-11.8
    export LD_LIBRARY_PATH=/usr/local/cuda-12.1/lib64
    pip install torch==2.4.0+cu121

Use instead

    unset LD_LIBRARY_PATH
    pip install torch==2.4.0+cu121

    The wheels of PyTorch, TensorFlow and JAX bring the CUDA libraries that they were built with, and find them by
    themselves. What must be set is set by whoever starts the process: the shell, the image, the batch job. One version
    for everything; to see which libraries a process has: wattleak watch PID.

When it is fine

    - The program starts others, which get the variable: this shows in the code, and is left alone.
    - A build needs one toolkit, and the run another, in stages or commands of their own.
    - Hiding the GPUs on purpose, to test the path on the CPU: under a condition it is left alone.

Evidence

    What the loader does, in fresh processes on a virtual machine with 2 CPUs of an AMD EPYC (glibc 2.36, PyTorch 2.13.0
    and TensorFlow 2.21.0 for the CPU, 21 November 2026; the CPUs were busy with other programs, so that counts are to
    be relied on and times are not). `LD_DEBUG=libs` counts the files that it tries, `LD_DEBUG=statistics` its time.

    - LD_LIBRARY_PATH set inside Python before `import torch`, as in the study: 75 files tried with it and 75 without,
      none of them in the folders that were set. It does nothing.
    - Set by the shell, before the process begins: 75 files tried without it, 275 with 20 folders that do not exist,
      2,075 with 200, 6,075 with 200 empty ones; for `import tensorflow` 262, 462, 2,262 and 5,862. The start of the
      process took 0.5 million cycles in the loader without it and 7 to 19 million with 200 folders: some milliseconds.
      The CPU time of the whole import did not differ: medians of 2.4 s, 2.5 s, 2.4 s and 2.5 s for torch (6 runs each,
      2.2 to 2.7 s), 6.1 s, 5.6 s, 5.8 s and 5.6 s for TensorFlow (3 runs each).

    That the GPU is lost for want of a library was not measured: this machine has none. `wattleak study
    library-path-mismatch` measures the first case on yours, as an experiment: nothing but noise is expected.

Fix safety

    Unsafe: a variable that has no effect on its own process is removed, but a process that another file starts from
    here would get it. Disagreeing versions have no fix: which of them is meant, the code does not say.
"""  # noqa: D412, D416 - these headings are those of the page that `explain` prints

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING

from wattleak.errors import UsageError
from wattleak.model import Finding, Smell
from wattleak.smells.finding import finding_at
from wattleak.smells.library_path_mismatch import files, programs
from wattleak.smells.library_path_mismatch.injecting import injected
from wattleak.source.learning import FileRole, file_role

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wattleak.model import Edit
    from wattleak.smells.library_path_mismatch.place import Place
    from wattleak.source.module import Module
    from wattleak.source.variables.reading import VariableFile

SMELL = Smell(
    code="ENV001",
    name="library-path-mismatch",
    summary="GPU libraries from the wrong place, or a path that is set in vain",
    page=inspect.cleandoc(__doc__ or ""),
    folder=Path(__file__).parent,
)


def detect(module: Module, *, cpus: int) -> Iterator[Finding]:  # noqa: ARG001 - no path depends on the machine
    """Yield every library path or device that a program sets in vain, or to what contradicts the rest of it."""
    if file_role(module) is not FileRole.PROGRAM:
        return
    for place in programs.places(module):
        yield _finding(module.path, place)


def detect_variables(file: VariableFile, *, cpus: int) -> Iterator[Finding]:  # noqa: ARG001 - as above
    """Yield every place of a script, an image or a configuration that leads to the wrong libraries."""
    for place in files.places(file):
        yield _finding(file.path, place)


def _finding(path: Path, place: Place) -> Finding:
    return finding_at(
        SMELL,
        path,
        place.span,
        place.message,
        severity=place.severity,
        confidence=place.confidence,
        fix=place.fix,
        persona=place.persona,
    )


def inject(module: Module) -> tuple[Edit, ...]:
    """Return the edit that puts the smell into a clean program: a library path, set before the import.

    Raises:
        UsageError: the program does not import a framework on a line of its own, at the top of the file.
    """
    edit = injected(module)
    if edit is None:
        raise UsageError(
            f"{module.path} has no import before which the library path can be set",
            "import torch, tensorflow or keras on a line of its own, at the top of the file",
        )
    return (edit,)
