"""Builds the images: a base from Debian packages, the test bed's own, the project's."""

import hashlib
import os
import shutil
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

from testbed import build
from testbed.errors import TestbedError
from testbed.node import PAUSE_IMAGE
from testbed.paths import CACHE, CHECKOUT
from testbed.progress import step
from testbed.shell import run_logged

LOG = CACHE / "logs" / "images.log"
DEBIAN = "trixie"
PACKAGES = ("python3", "python3-venv", "ca-certificates")
# The image, its Dockerfile, and what else it is built from.
PROJECT = {
    "ftps-operator": ("operator/Dockerfile", ("operator/src", "server-image/src/ftps_server/config")),
    "ftps-server": ("server-image/Dockerfile", ("server-image/src",)),
}
KEPT_ARCHIVES = 3
_BUILDAH = {"BUILDAH_ISOLATION": "chroot", "STORAGE_DRIVER": "overlay"}


def project_key(name: str) -> str:
    """Differs whenever the image would."""
    dockerfile, sources = PROJECT[name]
    digest = hashlib.sha256(base_key().encode())
    # The tools' settings are no part of an image.
    digest.update((CHECKOUT / "pyproject.toml").read_text().partition("[tool.ruff]")[0].encode())
    for source in (dockerfile, *sources):
        path = CHECKOUT / source
        files = sorted(path.rglob("*.py")) if path.is_dir() else [path]
        for file in files:
            digest.update(str(file.relative_to(CHECKOUT)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:16]


def base_key() -> str:
    """Differs whenever the base image would."""
    return hashlib.sha256(f"{DEBIAN} {PACKAGES}".encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Built:
    """An image: what it is called, and the archive that it is in."""

    reference: str
    archive: Path


def ensure(name: str) -> Built:
    """One of the project's images, built where it is not in the cache."""
    key = project_key(name)
    built = Built(f"localhost/{name}:{key}", CACHE / f"image-{name}-{key}.tar")
    if built.archive.exists():
        return built
    base = _base()
    with step(f"Building the image {name}", LOG):
        _build_project(name, base, built.reference)
        _save(built.reference, built.archive)
    # Some, as several checkouts may share the cache.
    archives = sorted(CACHE.glob(f"image-{name}-*.tar"), key=lambda path: path.stat().st_mtime)
    for old in archives[:-KEPT_ARCHIVES]:
        old.unlink()
    return built


def unpacked(name: str) -> Path:
    """A directory with the files of one of the project's images, to run it without a container."""
    root = CACHE / f"root-{name}-{project_key(name)}"
    if root.exists():
        return root
    built = ensure(name)
    part = root.with_suffix(".part")
    for old in (part, *CACHE.glob(f"root-{name}-*")):
        shutil.rmtree(old, ignore_errors=True)
    with step(f"Unpacking the image {name}", LOG), tempfile.TemporaryDirectory() as context:
        _buildah("pull", f"oci-archive:{built.archive}")
        (Path(context) / "Dockerfile").write_text(f"FROM {built.reference}\n")
        _buildah("build", f"--output=type=local,dest={part}", context)
    part.rename(root)
    return root


def ensure_pause() -> Path:
    """The archive of the image that every pod's sandbox runs."""
    archive = CACHE / f"image-pause-{build.key()}.tar"
    if archive.exists():
        return archive
    folder = build.ensure()
    context = CACHE / "pause-context"
    context.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(folder / "pause", context / "pause")
    (context / "pause").chmod(0o755)
    (context / "Dockerfile").write_text('FROM scratch\nCOPY pause /pause\nUSER 65535:65535\nENTRYPOINT ["/pause"]\n')
    with step("Building the image pause", LOG):
        _buildah("build", "--tag", PAUSE_IMAGE, str(context))
        _save(PAUSE_IMAGE, archive)
    return archive


def push(name: str, registry: str) -> str:
    """Push one of the project's images to a registry. Returns its reference there."""
    built = ensure(name)
    target = f"{registry.rstrip('/')}/{name}:{built.reference.rpartition(':')[2]}"
    with step(f"Pushing {target}", LOG):
        # From the archive: buildah's own storage may have been emptied since.
        _buildah("pull", f"oci-archive:{built.archive}")
        _buildah("push", built.reference, f"docker://{target}")
    return target


def _base() -> str:
    """The reference of a base image, imported where buildah does not have it."""
    key = base_key()
    tag = f"localhost/testbed-base:{key}"
    archive = CACHE / f"base-{key}.tar"
    if not archive.exists():
        with step(f"Building a base image from Debian packages ({', '.join(PACKAGES)})", LOG):
            part = archive.with_suffix(".part.tar")
            _bootstrap(part)
            part.rename(archive)
    stamp = CACHE / "storage" / f"base-{key}"
    if not stamp.exists():
        context = CACHE / "base-context"
        shutil.rmtree(context, ignore_errors=True)
        context.mkdir(parents=True)
        os.link(archive, context / "root.tar")
        (context / "Dockerfile").write_text("FROM scratch\nADD root.tar /\nENV LANG=C.UTF-8\n")
        _buildah("build", "--tag", tag, str(context))
        stamp.touch()
    return tag


def _bootstrap(archive: Path) -> None:
    """Debian's essential packages and Python in a tar archive."""
    unwanted = [f"--dpkgopt=path-exclude=/usr/share/{folder}/*" for folder in ("doc", "man", "locale")]
    run_logged(
        [
            "mmdebstrap",
            "--variant=essential",
            "--mode=root",
            f"--include={','.join(PACKAGES)}",
            '--aptopt=APT::Install-Recommends "false"',
            *unwanted,
            DEBIAN,
            str(archive),
        ],
        LOG,
    )


def _build_project(name: str, base: str, tag: str) -> None:
    dockerfile, _ = PROJECT[name]
    # pip in the build needs what pip on this machine needs: the authorities it trusts, and its settings.
    mounts = [path for path in ("/etc/ssl/certs", "/usr/share/ca-certificates", "/etc/pip.conf") if Path(path).exists()]
    settings = {key: value for key, value in os.environ.items() if key.startswith("PIP_") and key != "PIP_FIND_LINKS"}
    _buildah(
        "build",
        f"--build-arg=BASE_IMAGE={base}",
        f"--build-arg=BUILD_IMAGE={base}",
        *(f"--volume={path}:{path}:ro" for path in mounts),
        *(f"--env={key}={value}" for key, value in settings.items()),
        f"--file={CHECKOUT / dockerfile}",
        f"--tag={tag}",
        str(CHECKOUT),
    )


def _save(tag: str, archive: Path) -> None:
    part = archive.with_suffix(".part")
    part.unlink(missing_ok=True)
    _buildah("push", tag, f"oci-archive:{part}:{tag}")
    if not tarfile.is_tarfile(part):
        raise TestbedError(f"{part} is no archive; see {LOG}")
    part.rename(archive)


def _storage() -> list[str]:
    return [f"--root={CACHE / 'storage'}", "--runroot=/run/ftps-testbed/buildah"]


def _buildah(command: str, *words: str) -> None:
    (CACHE / "storage").mkdir(parents=True, exist_ok=True)
    run_logged(["buildah", *_storage(), command, *words], LOG, environment=_BUILDAH)
