"""No secret is stored; what is no secret stays readable."""

from __future__ import annotations

import pytest

from wattleak.environment.redaction import is_redacted, redact_command, redact_environment


@pytest.mark.parametrize(
    "words",
    [
        ("--api-key", "hush"),
        ("--api_key=hush",),
        ("--password", "hush"),
        ("-p", "x", "--auth-token", "hush"),
        ("WANDB_API_KEY=hush",),
        ("env", "MY_SECRET=hush", "python"),
        ("postgresql://user:hush@host/db",),
        ("curl", "-H", "Authorization: hush"),
        ("bash", "-c", "export HF_TOKEN=hush; python train.py"),
        ("python", "-c", "login(token='hush')"),
    ],
)
def test_a_secret_is_hidden_by_its_name(words: tuple[str, ...]) -> None:
    shown = redact_command(words)

    assert "hush" not in " ".join(shown)
    assert is_redacted(shown)


@pytest.mark.parametrize(
    "secret",
    [
        "AKIAIOSFODNN7EXAMPLE",
        "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
        "hf_abcdefghijklmnopqrstuv",
        "sk-abcdefghijklmnopqrstuvwx",
        "xoxb-123456789012-abcdef",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N",
    ],
)
def test_a_secret_is_hidden_by_its_form(secret: str) -> None:
    assert secret not in " ".join(redact_command(("python", "train.py", secret)))


@pytest.mark.parametrize(
    "words",
    [
        ("python", "train.py", "--epochs", "3", "--tokenizer", "bert-base"),
        ("python", "train.py", "--max-tokens", "512"),
        ("python", "-m", "pytest", "-k", "test_key_error"),
        ("torchrun", "--nproc-per-node=4", "train.py", "--lr", "1e-3", "--sort-by", "author"),
        ("python", "-c", "for key in d: print(key)"),
    ],
)
def test_what_is_no_secret_stays(words: tuple[str, ...]) -> None:
    assert redact_command(words) == words


def test_environment() -> None:
    shown = redact_environment({"OMP_NUM_THREADS": "4", "AWS_SECRET_ACCESS_KEY": "hush", "PATH": "/bin"})

    assert shown == {"OMP_NUM_THREADS": "4", "AWS_SECRET_ACCESS_KEY": "***", "PATH": "/bin"}
