"""lftp: a script of its commands."""

from clients.matrix import TIMEOUT, Client, Mode, Task, run


class Lftp(Client):
    name = "lftp"

    def version(self) -> str:
        return run(["lftp", "--version"]).split()[3]

    def lacks(self, mode: Mode) -> str | None:
        if mode.active and mode.ipv6:
            return "lftp announces `::` instead of `::1`: on loopback it binds its data socket to no address"
        return None

    def perform(self, task: Task) -> list[str]:
        settings = {
            "cmd:fail-exit": "true",
            "net:max-retries": 1,
            "net:timeout": TIMEOUT // 2,
            "ssl:ca-file": task.authority,
            "ssl:verify-certificate": "true",
            "ssl:priority": f"NORMAL:-VERS-ALL:+VERS-TLS{task.mode.tls}",
            "ftp:ssl-force": "true",
            "ftp:ssl-protect-data": "true",
            "ftp:passive-mode": "false" if task.mode.active else "true",
            "ftp:auto-passive-mode": "false",  # it would try the other mode
        }
        server = task.url.removesuffix(f"/{task.directory}")
        commands = [
            *(f"set {name} {value}" for name, value in settings.items()),
            f'open -u "{task.user},{task.password}" {server}',
            f"mkdir {task.directory}",
            f"cd {task.directory}",
            *(f"put {task.sent / name}" for name in task.files),
            "cls -1",
            *(f"get {name} -o {task.received / name}" for name in task.files),
        ]
        return run(["lftp", "--norc", "-c", "; ".join(commands)]).split()
