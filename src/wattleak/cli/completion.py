"""Print a completion script for a shell.

bash:  wattleak completion bash > ~/.local/share/bash-completion/completions/wattleak
zsh:   wattleak completion zsh  > "${fpath[1]}/_wattleak"
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wattleak.errors import ExitCode

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

SUMMARY = "print a completion script for bash, zsh or tcsh"


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("shell", choices=("bash", "zsh", "tcsh"), help="your shell")


def run(args: Namespace) -> int:
    import shtab

    from wattleak.cli.main import build_parser

    print(shtab.complete(build_parser(), shell=args.shell))
    return ExitCode.DONE
