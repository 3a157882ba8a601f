"""Builds the cluster's programs from Go modules, once."""

import hashlib
import os
import shutil
from pathlib import Path

from testbed.errors import TestbedError
from testbed.paths import CACHE
from testbed.progress import step
from testbed.shell import run, run_logged

SOURCES = Path(__file__).resolve().parents[1] / "binaries"
KUBERNETES_PROGRAMS = (
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "kube-proxy",
    "kubectl",
)
# In the order of their size: Kubernetes' packages serve the others, too.
COMMANDS = {
    "kube": "./kube",
    "etcd": "./etcd",
    "helm": "helm.sh/helm/v4/cmd/helm",
    "certmanager": "./certmanager",
    "pause": "./pause",
}
# The version that the API server and the kubelet tell; without it helm charts refuse the cluster.
_VERSION_PACKAGE = "k8s.io/component-base/version"
CERT_MANAGER = "github.com/cert-manager/cert-manager"


def key() -> str:
    """Differs whenever the programs could."""
    return digest_of(SOURCES, _version_flags())


def digest_of(folder: Path, flags: str = "") -> str:
    """Of everything that is in a folder, and of how it is built."""
    digest = hashlib.sha256(flags.encode())
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            digest.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def ensure() -> Path:
    """The folder with every program, built where it is not in the cache."""
    folder = CACHE / f"binaries-{key()}"
    if folder.exists():
        return folder
    if shutil.which("go") is None:
        raise TestbedError("Go is missing: install Go 1.26 or newer, and see that `go` is on the PATH")
    log = CACHE / "logs" / "build.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.unlink(missing_ok=True)
    part = CACHE / f"binaries-{key()}.part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    with step("Fetching Go modules", log):
        run_logged(["go", "mod", "download"], log, cwd=SOURCES)
    for number, (name, package) in enumerate(COMMANDS.items(), 1):
        with step(f"Building {name}, {number} of {len(COMMANDS)} (Kubernetes takes some 6 minutes on 2 cores)", log):
            run_logged(
                ["go", "build", "-trimpath", f"-ldflags=-s -w {_version_flags()}", "-o", str(part / name), package],
                log,
                cwd=SOURCES,
                environment={"CGO_ENABLED": "0"},
            )
    for name in KUBERNETES_PROGRAMS:
        (part / name).symlink_to("kube")
    _copy_crds(part / "crds")
    part.rename(folder)
    return folder


def kubernetes_version() -> str:
    """The version that go.mod pins, like v1.37.2."""
    text = (SOURCES / "go.mod").read_text()
    return next(line.split()[1] for line in text.splitlines() if line.split()[:1] == ["k8s.io/kubernetes"])


def _version_flags() -> str:
    version = kubernetes_version()
    major, minor, _ = version.removeprefix("v").split(".")
    fields = {"gitVersion": version, "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
    return " ".join(f"-X {_VERSION_PACKAGE}.{field}={value}" for field, value in fields.items())


def _copy_crds(folder: Path) -> None:
    listed = run(["go", "-C", str(SOURCES), "list", "-m", "-f", "{{.Dir}}", CERT_MANAGER]).stdout.strip()
    folder.mkdir()
    for crd in Path(listed, "deploy", "crds").glob("*.yaml"):
        shutil.copyfile(crd, folder / crd.name)
        os.chmod(folder / crd.name, 0o644)  # noqa: PTH101 - the module cache is read-only, its copies need not be
