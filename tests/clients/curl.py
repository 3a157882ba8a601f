"""curl: one call, all its transfers on one control connection."""

from clients.matrix import Client, Mode, Task, run


class Curl(Client):
    name = "curl"

    def version(self) -> str:
        return run(["curl", "--version"]).split()[1]

    def lacks(self, mode: Mode) -> str | None:
        version = tuple(int(part) for part in self.version().split(".")[:2])
        if mode.active and (7, 87) <= version < (8, 0):
            return "curl 7.87 and 7.88 do not encrypt active data connections (curl/curl#10669)"
        return None

    def perform(self, task: Task) -> list[str]:
        mode = task.mode
        common = ["--silent", "--show-error", "--ssl-reqd", "--cacert", str(task.authority)]
        common += ["--user", f"{task.user}:{task.password}", f"--tlsv{mode.tls}", "--tls-max", mode.tls]
        common += ["--ftp-port", "-"] if mode.active else ["--ftp-pasv"]
        transfers = [
            ["--ftp-create-dirs", "--upload-file", str(task.sent / name), f"{task.url}/"] for name in task.files
        ]
        transfers += [[f"{task.url}/"]]
        transfers += [["--output", str(task.received / name), f"{task.url}/{name}"] for name in task.files]
        argv = ["curl", "--fail-early"]
        for transfer in transfers:
            argv += [*common, *transfer, "--next"]
        listing = run(argv[:-1])
        (task.received / "empty").touch()  # curl makes no file of no byte
        return [line.split()[-1] for line in listing.splitlines()]
