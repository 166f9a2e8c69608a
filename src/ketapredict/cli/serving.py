"""Commands of the page and the REST interface; libraries are imported when a command needs them."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from ketapredict.cli.conventions import (
    DEFAULT_PROTOCOL,
    JsonOption,
    MappingOption,
    ModelOption,
    OutcomeChoice,
    OutcomeOption,
    ProtocolOption,
    model_to_begin_with,
    print_json,
    print_out,
    tell,
    working,
)

commands = typer.Typer()

DEFAULT_DATABASE = "sqlite:///ketapredict-web.db"
DatabaseOption = Annotated[
    str,
    typer.Option(
        "--database",
        envvar="KETAPREDICT_DATABASE",
        help="sqlite:///FILE or postgresql://USER@HOST/DATABASE (the password in PGPASSWORD or a pgpass file).",
    ),
]
KeyFileOption = Annotated[
    Path, typer.Option("--key-file", help="The installation's secret key; made where it is absent. Keep a copy.")
]


@commands.command(epilog="Example: ketapredict serve --model my-model/model --cohort cohort.csv")
def serve(
    model: ModelOption = None,
    cohort: Annotated[Path | None, typer.Option("--cohort", help="Courses to show.")] = None,
    mapping: MappingOption = None,
    protocol: ProtocolOption = DEFAULT_PROTOCOL,
    outcome: OutcomeOption = OutcomeChoice.RESPONSE,
    database: DatabaseOption = DEFAULT_DATABASE,
    key_file: KeyFileOption = Path("ketapredict-web.key"),
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes a free one.")] = 8000,
    names: Annotated[
        list[str] | None, typer.Option("--name", help="Host name by which browsers reach it; may be repeated.")
    ] = None,
    tls_certificate: Annotated[Path | None, typer.Option("--tls-cert", help="Certificate chain, PEM.")] = None,
    tls_key: Annotated[Path | None, typer.Option("--tls-key", help="Its key, PEM.")] = None,
    behind_tls: Annotated[
        bool, typer.Option("--behind-tls", help="A reverse proxy in front of it speaks TLS.")
    ] = False,
    peers: Annotated[
        list[str] | None,
        typer.Option("--trusted-peer", help="Address of a reverse proxy whose X-Forwarded-For is believed."),
    ] = None,
    proxy_secret_file: Annotated[
        Path | None,
        typer.Option("--proxy-secret-file", help="A proxy signs people in; the file holds the secret it sends."),
    ] = None,
    proxy_user_header: Annotated[
        str, typer.Option("--proxy-user-header", help="Header in which that proxy names the user.")
    ] = "X-Ketapredict-User",
    no_auth: Annotated[
        bool, typer.Option("--no-auth", help="No sign-in: on a loopback address only, to try things out.")
    ] = False,
) -> None:
    """Serve the clinician's page and the REST interface.

    --protocol and --outcome only choose the champion where no --model is given; before there is one, the page starts
    with the evidence model.
    """
    from ketapredict.web.settings import Proxy, Settings, SignIn

    sign_in = SignIn.NONE if no_auth else SignIn.PROXY if proxy_secret_file else SignIn.LOCAL
    proxy = Proxy(_first_line(proxy_secret_file), proxy_user_header) if proxy_secret_file else None
    settings = Settings(
        cohort=cohort,
        mapping=mapping,
        database=database,
        key_file=key_file,
        sign_in=sign_in,
        proxy=proxy,
        trusted_peers=tuple(peers or ()),
        host=host,
        port=port,
        names=tuple(names or ()),
        tls_certificate=tls_certificate,
        tls_key=tls_key,
        behind_tls=behind_tls,
    )
    from ketapredict.web.serve import serve as serve_pages
    from ketapredict.web.served import served_by

    with working("loading"):
        served = served_by(model_to_begin_with(model, protocol, outcome), settings)
    tell(served.model.bundle.statement)
    if served.cohort is not None and served.cohort.counts.rejected:
        tell(f"{served.cohort.counts.rejected} courses were rejected: `ketapredict check` lists why.")
    if no_auth:
        tell("No sign-in: everyone on this machine sees these courses.")
    serve_pages(settings, lambda address: tell(f"Serving at {address} (Ctrl+C ends it)"), served)


accounts = typer.Typer(no_args_is_help=True, help="Who may sign in to the page.")
tokens = typer.Typer(no_args_is_help=True, help="Tokens with which machines use the REST interface.")
audit = typer.Typer(no_args_is_help=True, help="Records of what was shown and of what was refused.")
commands.add_typer(accounts, name="accounts")
commands.add_typer(tokens, name="tokens")
commands.add_typer(audit, name="audit")

NameArgument = Annotated[str, typer.Argument(metavar="NAME")]
RoleOption = Annotated[str, typer.Option("--role", help="clinician, data scientist or auditor.")]


@accounts.command("add", epilog="Example: ketapredict accounts add jane --role clinician")
def add_account(
    name: NameArgument,
    role: RoleOption,
    proxied: Annotated[bool, typer.Option("--proxied", help="No password: a proxy signs this user in.")] = False,
    database: DatabaseOption = DEFAULT_DATABASE,
) -> None:
    """Add an account. The password is asked for, or read from standard input: it is never an argument."""
    from ketapredict.web.accounts import directory

    chosen = _role(role)
    password = None if proxied else _password()
    with _opened(database) as store:
        tell(f"Account {directory.add_account(store, name, chosen, password).name}, {chosen}.")


@accounts.command("password", epilog="Example: ketapredict accounts password jane")
def change_password(name: NameArgument, database: DatabaseOption = DEFAULT_DATABASE) -> None:
    """Give an account another password; its sessions end."""
    from ketapredict.web.accounts import directory

    password = _password()
    with _opened(database) as store:
        directory.set_password(store, name, password)
    tell("Changed; the account's sessions have ended.")


@accounts.command("disable", epilog="Example: ketapredict accounts disable jane")
def disable_account(name: NameArgument, database: DatabaseOption = DEFAULT_DATABASE) -> None:
    """Disable an account; its sessions end, its records stay."""
    from ketapredict.web.accounts import directory

    with _opened(database) as store:
        directory.disable_account(store, name)
    tell("Disabled; the account's sessions have ended.")


@accounts.command("list", epilog="Example: ketapredict accounts list")
def list_accounts(database: DatabaseOption = DEFAULT_DATABASE, as_json: JsonOption = False) -> None:
    """List all accounts."""
    from ketapredict.web.accounts import directory

    with _opened(database) as store:
        found = directory.list_accounts(store)
    rows = [
        {
            "name": account.name,
            "role": str(account.role),
            "signs_in": "by password" if account.password_hash else "by the proxy",
            "created": account.created_at.isoformat(timespec="seconds"),
            "disabled": account.disabled_at.isoformat(timespec="seconds") if account.disabled_at else "",
        }
        for account in found
    ]
    _print_rows(rows, as_json=as_json)


@tokens.command("add", epilog="Example: ketapredict tokens add ehr --role clinician")
def add_token(
    name: NameArgument,
    role: RoleOption,
    days: Annotated[int, typer.Option("--days", min=1, max=3650, help="How long it is valid.")] = 365,
    database: DatabaseOption = DEFAULT_DATABASE,
) -> None:
    """Make a token and print it: it cannot be shown again."""
    from ketapredict.web.accounts import machine_tokens

    chosen = _role(role)
    with _opened(database) as store:
        print_out(machine_tokens.add_token(store, name, chosen, days))


@tokens.command("revoke", epilog="Example: ketapredict tokens revoke ehr")
def revoke_token(name: NameArgument, database: DatabaseOption = DEFAULT_DATABASE) -> None:
    """Revoke a token."""
    from ketapredict.web.accounts import machine_tokens

    with _opened(database) as store:
        machine_tokens.revoke_token(store, name)
    tell("Revoked.")


@tokens.command("list", epilog="Example: ketapredict tokens list")
def list_tokens(database: DatabaseOption = DEFAULT_DATABASE, as_json: JsonOption = False) -> None:
    """List all tokens; not the tokens themselves, which are not kept."""
    from ketapredict.web.accounts import machine_tokens

    with _opened(database) as store:
        found = machine_tokens.list_tokens(store)
    rows = [
        {
            "name": token.name,
            "role": str(token.role),
            "created": token.created_at.isoformat(timespec="seconds"),
            "expires": token.expires_at.isoformat(timespec="seconds"),
            "revoked": token.revoked_at.isoformat(timespec="seconds") if token.revoked_at else "",
        }
        for token in found
    ]
    _print_rows(rows, as_json=as_json)


@audit.command("export", epilog="Example: ketapredict audit export --output shown.csv")
def export_records(
    output: Annotated[Path, typer.Option("--output", help="CSV file.")],
    events: Annotated[bool, typer.Option("--events", help="Security events instead of shown predictions.")] = False,
    judgements: Annotated[
        bool, typer.Option("--judgements", help="Clinicians' judgements instead of shown predictions.")
    ] = False,
    database: DatabaseOption = DEFAULT_DATABASE,
) -> None:
    """Export all shown predictions, all judgements, or all security events."""
    from ketapredict.web.store.records import RECORDS, Filter, csv_of
    from ketapredict.whole_files import write_whole

    kind = "judgements" if judgements else "events" if events else "predictions"
    with _opened(database) as store:

        def write(target: Path) -> None:
            # Course ids are patient data: readable by their owner alone, from the first byte on.
            target.unlink(missing_ok=True)
            target.touch(0o600, exist_ok=False)
            with target.open("w", encoding="utf-8", newline="") as file:
                file.writelines(csv_of(store, RECORDS[kind], Filter()))

        write_whole({output: write})
    tell(str(output))


@audit.command("purge", epilog="Example: ketapredict audit purge --older-than 3650")
def purge_records(
    days: Annotated[int, typer.Option("--older-than", metavar="DAYS", help="The retention time; at least 30.")],
    database: DatabaseOption = DEFAULT_DATABASE,
) -> None:
    """Remove records that are older than the retention time; the removal is recorded."""
    import getpass

    from ketapredict.web.store.records import purge

    with _opened(database) as store:
        predictions, events, judgements = purge(store, days, f"command line: {getpass.getuser()}")
    tell(
        f"Removed {predictions} shown predictions, {judgements} judgements and {events} security events older than "
        f"{days} days."
    )


@contextmanager
def _opened(url: str) -> Iterator[Any]:
    from ketapredict.web.store.database import Database

    database = Database(url)
    database.migrate()
    try:
        yield database
    finally:
        database.close()


def _role(text: str) -> Any:
    from ketapredict.errors import AccountError
    from ketapredict.web.accounts.roles import Role

    try:
        return Role(text.strip().lower().replace("-", " ").replace("_", " "))
    except ValueError:
        raise AccountError(f"Expected a --role of {', '.join(Role)}; found another.") from None


def _password() -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    from getpass import getpass

    from ketapredict.errors import AccountError

    password = getpass("Password (12 characters or more): ")
    if password != getpass("Again: "):
        raise AccountError("Expected the same password twice; found two.")
    return password


def _first_line(path: Path) -> str:
    from ketapredict.errors import FileError

    try:
        return (path.read_text("utf-8").splitlines() or [""])[0].strip()
    except OSError as error:
        raise FileError(f"Cannot read {path}: {os.strerror(error.errno or 0)}.") from None


def _print_rows(rows: list[dict[str, str]], *, as_json: bool) -> None:
    if as_json:
        print_json(rows)
        return
    if not rows:
        tell("None yet.")
        return
    widths = {name: max(len(name), *(len(row[name]) for row in rows)) for name in rows[0]}
    for row in [{name: name for name in rows[0]}, *rows]:
        print_out("  ".join(row[name].ljust(width) for name, width in widths.items()).rstrip())
