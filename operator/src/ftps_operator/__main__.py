"""The command line: `ftps-operator run`, `ftps-operator crds`."""

import argparse
import asyncio
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import yaml

from ftps_operator import logs, schema, settings

_HEADER = "# Generated from the models by `make generate`.\n"


def main() -> int:
    """Run one command."""
    words = sys.argv[1:]
    if words[:1] == ["run"]:
        return _run(words[1:])
    parser = argparse.ArgumentParser(prog="ftps-operator", description="Runs FTPS servers from FtpsServer resources.")
    parser.add_argument("--version", action="version", version=_version())
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("run", help="look after the servers of a cluster; see `run --help`")
    crds = commands.add_parser("crds", help="print the CustomResourceDefinitions")
    crds.add_argument("--write", type=Path, action="append", default=[], help="write them into a folder instead")
    return _crds(parser.parse_args(words).write)


def _run(words: list[str]) -> int:
    chosen = settings.parse(words)
    logs.configure(chosen.log_level, chosen.log_format)
    # Here, as kopf and the client take a second to import.
    from ftps_operator import app  # noqa: PLC0415

    return asyncio.run(app.run(chosen))


def _crds(folders: list[Path]) -> int:
    texts = {name: _HEADER + _yaml(crd) for name, crd in schema.crds().items()}
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (folder / name).write_text(text)
    if not folders:
        sys.stdout.write("---\n".join(texts.values()))
    return 0


def _yaml(document: dict[str, object]) -> str:
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120)


def _version() -> str:
    try:
        return version("ftps-operator")
    except PackageNotFoundError:
        return "unknown (not installed)"


if __name__ == "__main__":
    sys.exit(main())
