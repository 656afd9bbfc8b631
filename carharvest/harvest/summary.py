"""What a harvest brought, in numbers."""

from dataclasses import dataclass, field


@dataclass
class HarvestSummary:
    """What a harvest brought."""

    candidates: int = 0
    new: int = 0
    known: int = 0
    failed: int = 0
    seconds: float = 0.0
    reasons: dict[str, int] = field(default_factory=dict)

    def count(self, reason: str) -> None:
        """One more failure of a kind."""
        self.reasons[reason] = self.reasons.get(reason, 0) + 1
