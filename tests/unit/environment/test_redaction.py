"""No secret is stored; what is no secret stays readable."""

from __future__ import annotations

import pytest

from wattleak.environment.redaction import is_redacted, redact_command, redact_environment, redact_lines, redact_text


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
        ("curl", "-u", "me:hush", "https://h/"),
        ("/usr/bin/curl", "-s", "--user", "me:hu:hush", "h"),
        ("curl", "-ume:hush", "h"),
        ("curl", "--proxy-user=me:hush", "h"),
        ("bash", "-c", "curl -s -u me:hush h | tar x"),
        ("bash", "-c", "cd x && curl --user 'me:hush' h"),
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
        ("docker", "run", "-u", "1000:1000", "image"),
        ("curl", "-u", "me", "https://host:8080/a"),
    ],
)
def test_what_is_no_secret_stays(words: tuple[str, ...]) -> None:
    assert redact_command(words) == words


def test_environment() -> None:
    shown = redact_environment({"OMP_NUM_THREADS": "4", "AWS_SECRET_ACCESS_KEY": "hush", "PATH": "/bin"})

    assert shown == {"OMP_NUM_THREADS": "4", "AWS_SECRET_ACCESS_KEY": "***", "PATH": "/bin"}


KEY = "-----BEGIN {0} KEY-----\nMIIhush\nhush/hush=\n-----END {0} KEY-----"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('{"api_key": "hush", "epochs": 3}', '{"api_key": ***, "epochs": 3}'),
        ('  "password" : "hush hush",', '  "password" : ***,'),
        ("{'token':'hush'}", "{'token':***}"),
        ('{"accessToken": "hush", "clientSecret": "hush"}', '{"accessToken": ***, "clientSecret": ***}'),
        (r'python -c "x = {\"api_key\": \"hush\", \"lr\": 1}"', r'python -c "x = {\"api_key\": ***, \"lr\": 1}"'),
        (r'{"password": "hu\"hush", "a": 1}', '{"password": ***, "a": 1}'),
        ('os.environ["HF_TOKEN"] = "hush"', 'os.environ["HF_TOKEN"] = ***'),
        ('{"secrets": ["hush", "hush"], "a": 1}', '{"secrets": ***, "a": 1}'),
        ("login(token=b'hush')", "login(token=***)"),
        ('token = """hush"""', "token = ***"),
        ('token = "hush, which goes on', "token = ***"),
        ("get(url, auth=('me', 'hush'))", "get(url, auth=***)"),
        ("https://h/d?api_key=hush", "https://h/d?api_key=***"),
        ("https://h/d?api_key=hush&page=2", "https://h/d?api_key=***&page=2"),
        ("https://h/d?page=2&access_token=hush#top", "https://h/d?page=2&access_token=***"),
        ("https://h/d?sv=1&sig=hush%3D&sp=r", "https://h/d?sv=1&sig=***&sp=r"),
        ("https://h/d?sig=hush", "https://h/d?sig=***"),
        ("https://h/d?X-Amz-Expires=60&X-Amz-Signature=hush", "https://h/d?X-Amz-Expires=60&X-Amz-Signature=***"),
        ("--url=https://h/d?X-Goog-Signature=hush&a=1", "--url=https://h/d?X-Goog-Signature=***&a=1"),
        ("--env=API_KEY=hush", "--env=API_KEY=***"),
        ("--env=API_KEY=hush and hush", "--env=API_KEY=***"),
        ("--opt=--env=PASSWORD=hush", "--opt=--env=PASSWORD=***"),
        ("--header=Authorization: Bearer hush", "--header=Authorization:***"),
        ("curl -H 'Authorization: Bearer hush' h", "curl -H 'Authorization: ***' h"),
        ('curl -H "Cookie: a=hush; b=hush" h', 'curl -H "Cookie: ***" h'),
        ('{"Authorization": "Bearer hush"}', '{"Authorization": ***}'),
        ("run --with x,token=Bearer hush", "run --with x,token=***"),
        ("https://hushhush@host/model.git", "https://***@host/model.git"),
        ("pip install git+https://hush@host/x", "pip install git+https://***@host/x"),
        ("https://user:hush@host/", "https://user:***@host/"),
        ("postgresql://user:hu@sh@host/db", "postgresql://user:***@host/db"),
        (f"key: {KEY.format('RSA PRIVATE')}\nlr: 1", "key: ***\nlr: 1"),
    ],
)
def test_the_name_stays_and_the_value_is_hidden(text: str, shown: str) -> None:
    assert redact_text(text) == shown
    assert redact_text(shown) == shown  # a plan that is read back is the plan that was written


@pytest.mark.parametrize("kind", ["PRIVATE", "RSA PRIVATE", "OPENSSH PRIVATE", "ENCRYPTED PRIVATE"])
def test_a_private_key_in_a_file_is_hidden_to_its_end(kind: str) -> None:
    assert redact_lines(f"lr: 1\nkey: |\n  {KEY.format(kind)}\nepochs: 3\n") == "lr: 1\nkey: |\n  ***\nepochs: 3\n"
    assert "hush" not in redact_lines(KEY.format(kind).partition("-----END")[0])


def test_a_block_of_lines_is_hidden_to_its_end() -> None:
    text = (
        "db:\n  password: |\n    hush\n\n    hush\n  epochs: 3\n- token: >-\n    hush\n  lr: 1\n- run: |\n    train\n"
    )
    shown = "db:\n  password: ***\n  epochs: 3\n- token: ***\n  lr: 1\n- run: |\n    train\n"

    assert redact_lines(text) == shown
    assert redact_lines(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        "tokenizer=bert",
        '{"tokenizer": "bert", "author": "me", "monkey": 1, "max_tokens": 512}',
        "author=me",
        "monkey=1",
        "--keyboard=qwerty",
        "passes=3",
        "compass: north",
        '{"pad_token": "<pad>", "eos_token_id": 2}',
        "--pad-token=<pad>",
        "sig=0.05",
        "--sig=3",
        "design=factorial",
        "https://host/d?page=2&design=1",
        "https://host:8080/a?b=c",
        "https://host/@scope/package",
        "ssh://git@github.com/a/b.git",
        "git+https://git@github.com/a/b.git",
        "postgresql://me@host/db",
        "git@github.com:a/b.git",
        "me@example.org",
        "--env=EPOCHS=3",
        "--header=Accept: text/html",
        "-----BEGIN CERTIFICATE-----\nMIIx\n-----END CERTIFICATE-----",
        "12:30:45 step=3 loss=0.5",
        "",
    ],
)
def test_what_only_looks_like_a_secret_stays(text: str) -> None:
    assert redact_text(text) == text
    assert redact_command(("python", "train.py", text)) == ("python", "train.py", text)


def test_a_program_that_logs_in_is_the_same_plan_when_it_is_read_back() -> None:
    once = redact_command(("python", "-c", "login(token='hush')"))

    assert once == ("python", "-c", "login(token=***)")
    assert redact_command(once) == once
