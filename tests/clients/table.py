"""The table of what works: a row a mode, a column a client."""

from collections import Counter
from dataclasses import dataclass, field

from clients.matrix import MODES, Client, Mode

LEGEND = """\
- resumed: everything came back as it went, and every data connection resumed the TLS session of its control \
connection, as `dataSessionReuse: Required` demands
- Off: everything came back as it went, for a user whose `dataSessionReuse` is `Off`; so many of the data connections \
resumed"""


@dataclass
class Table:
    """Filled cell by cell."""

    clients: list[Client]
    cells: dict[tuple[str, Mode], str] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)

    def enter(self, client: Client, mode: Mode, outcome: str) -> None:
        """One cell."""
        self.cells[client.name, mode] = outcome

    def enter_done(self, client: Client, mode: Mode, handshakes: Counter[str]) -> None:
        """A cell that works."""
        resumed = f"Off: {handshakes['resumed']} of {handshakes.total()}"
        self.enter(client, mode, "resumed" if client.resumes(mode) else resumed)

    def enter_missing(self, client: Client, mode: Mode, reason: str) -> None:
        """A cell that cannot be had."""
        if reason not in self.reasons:
            self.reasons.append(reason)
        self.enter(client, mode, f"n/a {self.reasons.index(reason) + 1}")

    def lines(self) -> list[str]:
        """As Markdown, which reads well on a terminal, too."""
        head = ["mode", *(client.name for client in self.clients)]
        rows = [head, ["", *(client.version() for client in self.clients)]]
        rows += [[str(mode), *(self.cells.get((each.name, mode), "") for each in self.clients)] for mode in MODES]
        widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
        rows.insert(1, ["-" * width for width in widths])
        lines = [f"| {' | '.join(c.ljust(w) for c, w in zip(row, widths, strict=True))} |" for row in rows]
        lines += ["", *LEGEND.splitlines()]
        lines += [f"- n/a {number}: {reason}" for number, reason in enumerate(self.reasons, 1)]
        return lines + [f"- {each.name}: {each.notes}" for each in self.clients if each.notes]
