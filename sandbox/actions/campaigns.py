"""The campaigns of the tenant: made up; no operation lists them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Campaign:
    """A campaign and what a trigger of it has to name."""

    id: str
    name: str
    published: bool = True
    # Campaigns of other kinds go out by schedule or by hand and cannot be triggered.
    by_api: bool = True
    parameters: frozenset[str] = frozenset()


CAMPAIGNS: dict[str, Campaign] = {
    campaign.id: campaign
    for campaign in (
        Campaign("#device_feedback", "How is your device?"),
        Campaign(
            "#restart_reminder",
            "Please restart your device",
            parameters=frozenset({"days_since_restart", "deadline"}),
        ),
        Campaign("#yearly_survey", "Yearly survey", by_api=False),
        Campaign("#draft_survey", "Not yet published", published=False),
    )
}
