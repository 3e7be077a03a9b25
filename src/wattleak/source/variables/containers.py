"""Compose, Kubernetes and other configuration: which variables a container or a job gets, and how many CPUs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from wattleak.source.lined import Span
from wattleak.source.variables.assignment import Assignment, Grant, cpu_list, cpu_quantity

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from wattleak.source.variables.assignment import Entry
    from wattleak.source.variables.tree import Node

_TABLES = frozenset(
    {
        *("env", "envs", "environment", "env_vars", "environment_variables", "variables", "env-vars"),
        *("containerEnv", "remoteEnv", "set-env"),
    }
)
"""Keys below which a file names environment variables: GitHub Actions, GitLab, conda, SkyPilot, Ray, dev containers."""

_NAME = re.compile(r"[A-Za-z_]\w*")


def read_containers(documents: Sequence[Node]) -> Iterator[Assignment]:
    """Yield what the documents of a YAML or JSON file set."""
    for document in documents:
        services = document.get("services")
        if services is not None and services.mapping and not document.get("kind"):
            for name, service in services.mapping.items():
                yield from _compose(name, service)
        else:
            yield from _below(document, "this file")


def read_entries(entries: Sequence[Entry]) -> Iterator[Assignment]:
    """Yield what a TOML file sets in a table of variables."""
    for entry in entries:
        *above, name = entry.path
        if above and above[-1] in _TABLES and isinstance(name, str) and _NAME.fullmatch(name):
            scope = ".".join(str(key) for key in above)
            yield Assignment(name, _plain(entry.value), entry.value, entry.span, f"table {scope}")


def _compose(name: str, service: Node) -> Iterator[Assignment]:
    environment = service.get("environment")
    if environment is None:
        return
    grant = _compose_grant(service)
    command = service.get("command")
    shown = command.text if command is not None else None
    for variable, value in _pairs(environment):
        yield Assignment(
            variable,
            _plain(value.text or ""),
            value.text or "",
            value.span,
            f"service {name}",
            shown,
            grant,
            is_elsewhere=True,
        )


def _compose_grant(service: Node) -> Grant | None:
    grants = []
    for keys in (("cpus",), ("deploy", "resources", "limits", "cpus")):
        node = service.get(*keys)
        cpus = cpu_quantity(node.text) if node is not None and node.text else None
        if cpus and node is not None:
            grants.append(Grant(cpus, f"{'.'.join(keys)}: {node.text}"))
    node = service.get("cpuset")
    count = cpu_list(node.text) if node is not None and node.text else None
    if count and node is not None:
        grants.append(Grant(count, f"cpuset: {node.text}"))
    return min(grants, key=lambda grant: grant.cpus, default=None)


def _below(node: Node, scope: str) -> Iterator[Assignment]:
    """Yield what every table of variables at or below `node` sets."""
    for key, child in node.mapping.items():
        if key in _TABLES and (child.mapping or child.items):
            name = node.get("name")
            is_container = any("name" in item.mapping for item in child.items)
            owner = f"container {name.text}" if is_container and name is not None and name.text else scope
            grant = _limits(node) if is_container else None
            for variable, value in _pairs(child):
                text = value.text or ""
                yield Assignment(
                    variable, _plain(text), text, value.span, owner, granted=grant, is_elsewhere=is_container
                )
        yield from _below(child, f"{key}" if scope == "this file" else f"{scope}.{key}")
    for item in node.items:
        yield from _below(item, scope)


def _limits(container: Node) -> Grant | None:
    cpu = container.get("resources", "limits", "cpu")
    cpus = cpu_quantity(cpu.text) if cpu is not None and cpu.text else None
    return Grant(cpus, f"resources.limits.cpu: {cpu.text}") if cpus and cpu is not None else None


def _pairs(table: Node) -> Iterator[tuple[str, Node]]:
    """Yield name and value of {A: 1}, of ["A=1"], and of [{name: A, value: 1}]."""
    for name, value in table.mapping.items():
        if value.text is not None and _NAME.fullmatch(name):
            yield name, value
    for item in table.items:
        name_node, value_node = item.get("name"), item.get("value")
        if name_node is not None and name_node.text and value_node is not None and value_node.text is not None:
            yield name_node.text, value_node
        elif item.text is not None and "=" in item.text and not item.mapping:
            name, _, text = item.text.partition("=")
            if _NAME.fullmatch(name) and "\n" not in item.text:
                yield name, _behind(item, len(name) + 1, text)


def _behind(item: Node, skip: int, text: str) -> Node:
    """Return the value in `A=1`, whose place begins behind the sign (and the quote, where there is one)."""
    span = item.span
    quote = 0 if item.is_plain else 1
    return type(item)(
        Span(span.line, span.column + quote + skip, span.end_line, span.end_column - quote), text=text, is_plain=True
    )


def _plain(text: str) -> str | None:
    """Return a value that holds nothing to be put in: `${THREADS}` and `{{ threads }}` are known elsewhere."""
    return None if "$" in text.replace("$$", "") or "{{" in text else text
