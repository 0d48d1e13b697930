"""What is noted while a snapshot is read: what cannot be understood, and what will be different."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Notes:
    """Lines for people. `problems` refuse the whole snapshot; the others go into the report."""

    problems: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    unread: dict[tuple[str, str], int] = field(default_factory=dict)  # (kind, field) -> how often

    def problem(self, where: str, what: str) -> None:
        self.problems.append(f"{where}: {what}")

    def change(self, where: str, what: str) -> None:
        self.changed.append(f"{where}: {what}")

    def leave_out(self, where: str, what: str) -> None:
        self.left_out.append(f"{where}: {what}")

    def warn(self, where: str, what: str) -> None:
        self.warnings.append(f"{where}: {what}")

    def not_read(self, kind: str, name: str) -> None:
        self.unread[kind, name] = self.unread.get((kind, name), 0) + 1

    def unread_lines(self) -> list[str]:
        """One line for each field that nothing here knows."""
        return [
            f"{kind}.{name}: a field that is not known here, in {count} of them"
            for (kind, name), count in sorted(self.unread.items())
        ]
