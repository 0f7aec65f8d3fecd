"""How executions and answers turn out. Light to import, like the tenant's own options."""

from dataclasses import dataclass

_LONGEST_SECONDS = 1_000_000_000
_SHARES = ("offline_share", "failure_share", "answer_share", "decline_share", "agree_share")


@dataclass(frozen=True, slots=True, kw_only=True)
class ActingOptions:
    """How remote actions, workflows and campaigns turn out; the text below a field is its help."""

    execution_time: float = 60.0
    """Seconds until every execution has ended and every answer has arrived."""
    visibility_delay: float = 1.0
    """Seconds until an execution shows in NQL."""
    offline_share: float = 0.05
    """Share of devices that never come online."""
    failure_share: float = 0.05
    """Share of executions that fail."""
    answer_share: float = 0.7
    """Share of people who answer a campaign."""
    decline_share: float = 0.1
    """Share of people who decline one; the rest let it expire."""
    agree_share: float = 0.8
    """Share of answers that agree, where a campaign asks for agreement."""

    def problems(self) -> list[str]:
        """Return what is invalid; the tenant's options report it with their own problems."""
        # Written so that NaN is out of range too.
        problems = [
            f"{name} is not between 0 and 1"
            for name in _SHARES
            if not 0 <= getattr(self, name) <= 1
        ]
        problems += [
            f"{name} is not between 0 and {_LONGEST_SECONDS:,}"
            for name in ("execution_time", "visibility_delay")
            if not 0 <= getattr(self, name) <= _LONGEST_SECONDS
        ]
        if not problems and self.answer_share + self.decline_share > 1 + 1e-9:
            problems.append("answer_share and decline_share add up to more than 1")
        return problems
