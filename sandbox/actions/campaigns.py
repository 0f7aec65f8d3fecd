"""The campaigns of the tenant. They are invented, and no operation lists them."""

from dataclasses import dataclass

from sandbox.actions.identity import uuid_of


@dataclass(frozen=True, slots=True)
class CampaignQuestion:
    """A campaign's question and its answers; where it asks for agreement, the first one agrees."""

    id: str
    options: tuple[str, ...]
    asks_agreement: bool = False


@dataclass(frozen=True, slots=True)
class Campaign:
    """A campaign: what a trigger must provide and what it asks."""

    id: str
    name: str
    published: bool = True
    # Campaigns of other kinds are sent by schedule or by hand and cannot be triggered.
    by_api: bool = True
    parameters: frozenset[str] = frozenset()
    questions: tuple[CampaignQuestion, ...] = ()

    @property
    def uuid(self) -> str:
        """The second of its two ids."""
        return uuid_of(self.id)


_CONSENT = CampaignQuestion("agreement", ("Yes", "No"), asks_agreement=True)

CAMPAIGNS: dict[str, Campaign] = {
    campaign.id: campaign
    for campaign in (
        Campaign(
            "#device_feedback",
            "How is your device?",
            questions=(
                CampaignQuestion("satisfaction", ("Very good", "Good", "Bad", "Very bad")),
                CampaignQuestion(
                    "comment", ('All fine, "no complaints"', "Slow in the morning", "")
                ),
            ),
        ),
        Campaign(
            "#restart_reminder",
            "Please restart your device",
            parameters=frozenset({"days_since_restart", "deadline"}),
            questions=(_CONSENT,),
        ),
        Campaign(
            "#restart_choice",
            "Your device needs a restart: when does it suit you?",
            parameters=frozenset({"days_since_restart"}),
            questions=(CampaignQuestion("when", ("Restart now", "Tonight", "Not this week")),),
        ),
        Campaign(
            "#maintenance_notice",
            "A system that you use will be down",
            parameters=frozenset({"system", "begins", "ends"}),
            questions=(CampaignQuestion("seen", ("Understood",)),),
        ),
        Campaign(
            "#disk_clean_up_consent",
            "May we clean up your disk?",
            parameters=frozenset({"free_space"}),
            questions=(_CONSENT,),
        ),
        Campaign("#yearly_survey", "Yearly survey", by_api=False),
        Campaign("#draft_survey", "Not yet published", published=False),
    )
}
