"""How a run of a sync ended: its stages, and what it left out, so that it never looks complete."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from connectors.errors import DataRefusedError, PartlyDoneError, PipelineError
from connectors.nexthink.fields import nql_name
from tasks.sync.applied import LEFT, NO_SUCH_OBJECT, Applied
from tasks.sync.guards import GuardError
from tasks.sync.outcomes import ObjectOutcome
from tasks.sync.plan_file import SyncPlan
from tasks.sync.run import SyncRun
from tasks.sync.standing import Standing
from tasks.sync.verified import Verified

# A share of fewer objects says nothing.
FEW_OBJECTS: Final = 20
_KEYLESS: Final = ("without_key", "unmatched", "ambiguous")


@dataclass(slots=True)
class SyncStages:
    """The results of a run, stage by stage; a stage that was not reached is None."""

    plan_id: str = ""
    planned: Mapping[str, Any] | None = None
    applied: Applied | None = None
    verified: Verified | None = None
    # What the plan's read showed of what earlier runs had sent.
    checked: Verified | None = None
    read_later: str | None = None
    # Why what was sent could not be read back.
    unverified: PipelineError | None = None
    error: PipelineError | None = None
    # The plan had been applied before.
    is_done: bool = False
    # What is left over all runs, as of the end of this one.
    standing: Standing = field(default_factory=Standing)
    # Masked, and for a terminal only.
    samples: list[dict[str, str]] = field(default_factory=list)

    def take(self, plan: SyncPlan) -> None:
        """Copy the counts of a plan."""
        self.plan_id = plan.plan_id
        self.planned = plan.summary.to_json()
        self.checked = self.checked or plan.checked

    @property
    def made_by(self) -> str | None:
        """The run that made the plan and kept the sources' rejects."""
        made_by: str | None = (self.planned or {}).get("made_by")
        return made_by

    @property
    def undoes(self) -> str | None:
        """The plan whose values the plan takes back."""
        undoes: str | None = (self.planned or {}).get("undoes")
        return undoes

    @property
    def source(self) -> Mapping[str, Any]:
        """The counts of the sources; empty if the plan was not made from them."""
        return (self.planned or {}).get("source") or {}

    @property
    def left_by_source(self) -> int:
        """How many objects were rejected before the planning."""
        return sum(self.source.get(name, 0) for name in (*_KEYLESS, "duplicates", "bad_values"))

    @property
    def of_source(self) -> int:
        """How many objects the sources returned, as far as they can be distinguished."""
        return sum(self.source.get(name, 0) for name in (*_KEYLESS, "keys"))

    @property
    def refused_whole(self) -> list[str]:
        """The fields without any taken value: refused by the tenant, or by the mapping."""
        return [*self.standing.refused_whole, *self.source.get("refused_fields", ())]

    @property
    def is_sent(self) -> bool:
        """Whether the whole plan was sent, be it without an answer: a read-back then shows it."""
        applied = self.applied
        if applied is None:
            return self.is_done
        return applied.is_complete or (applied.lost is not None and not applied.objects[LEFT])

    @property
    def objects(self) -> dict[str, int]:
        """The objects by outcome; `confirmed` were not answered, and read back as sent."""
        counts = (self.applied or Applied()).objects
        unknown = counts[ObjectOutcome.UNKNOWN]
        confirmed = min(self.verified.confirmed_objects if self.verified else 0, unknown)
        return {
            "objects": counts.total(),
            "acknowledged": counts[ObjectOutcome.ACKNOWLEDGED],
            "confirmed": confirmed,
            "rejected": counts[ObjectOutcome.REJECTED],
            "no_such_object": counts[NO_SUCH_OBJECT],
            "unknown": unknown - confirmed,
            "not_sent": counts[LEFT],
        }

    @property
    def stopped_by(self) -> list[str]:
        """The guards because of which nothing was sent."""
        return list(self.error.guards) if isinstance(self.error, GuardError) else []


def shortfall(run: SyncRun, stages: SyncStages) -> PipelineError | None:
    """Return what a run left out, so that it never shows as successful; None if nothing."""
    if stages.applied is None and not stages.is_done:
        return None
    return (
        _left_out(run, stages, stages.applied or Applied())
        or _refused(run, stages)
        or _unlisted(run, stages)
        or _unread(run, stages)
        or _missing(run, stages)
    )


def is_beyond(stages: SyncStages, share: float) -> bool:
    """Return whether more objects were rejected, by us or by the tenant, than is allowed."""
    applied = stages.applied or Applied()
    objects = max(stages.of_source, applied.objects.total())
    rejected = stages.left_by_source + applied.objects[ObjectOutcome.REJECTED]
    return objects >= FEW_OBJECTS and rejected > share * objects


def counted(objects: Mapping[str, Any]) -> str:
    """Return the objects of a run by outcome, in words."""
    said = f"{objects['acknowledged']:,} of {objects['objects']:,} objects acknowledged"
    return f"{said}, {not_acknowledged(objects)}"


def not_acknowledged(objects: Mapping[str, Any]) -> str:
    """Return in words how many objects ended otherwise; most outcomes go unsaid if none did."""
    kinds = {
        "confirmed": "read back as sent without an answer",
        "rejected": "rejected",
        "no_such_object": "not in Nexthink",
        "unknown": "unknown",
        "not_sent": "not sent",
    }
    always = ("rejected", "unknown")
    return ", ".join(
        f"{objects[name]:,} {words}"
        for name, words in kinds.items()
        if objects.get(name) or name in always
    )


def _left_out(run: SyncRun, stages: SyncStages, applied: Applied) -> PipelineError | None:
    objects = stages.objects
    taken = objects["acknowledged"] + objects["confirmed"]
    said = f"{run.sync}: {counted(objects)}"
    if applied.stopped:
        if not taken:
            return applied.stopped
        return PartlyDoneError(f"{said}, then: {applied.stopped}; nxp apply {run.sync} resumes")
    if applied.lost and objects["unknown"] and not taken:
        return applied.lost.retold(f"{said}: {applied.lost}; {_again(run, stages)}")
    beyond = is_beyond(stages, run.specification.max_reject_share)
    failed = objects["rejected"] + objects["unknown"] + objects["not_sent"]
    if not failed and applied.is_complete and not beyond:
        return None
    if left := stages.left_by_source:
        said += f", {left:,} left out of the sources"
        if stages.made_by not in (None, run.run_id):
            said += f" (nxp rejects {run.sync} --run {stages.made_by})"
    if beyond:
        said += f" (more than the {run.specification.max_reject_share:.1%} allowed)"
    said += f"{_standing(stages)}: see nxp rejects {run.sync} --run {run.run_id}"
    if stages.undoes and objects["unknown"]:
        said += f"; {_again(run, stages)}"
    is_nothing = objects["objects"] and not taken
    return DataRefusedError(said) if is_nothing else PartlyDoneError(said)


def _again(run: SyncRun, stages: SyncStages) -> str:
    """Return which command sends again what got no answer."""
    if stages.undoes:
        return (
            f"nxp undo {stages.undoes} plans what is left of it again; nxp sync {run.sync} would "
            "send the values of its sources"
        )
    return f"nxp sync {run.sync} sends them again"


def _unread(run: SyncRun, stages: SyncStages) -> PipelineError | None:
    if stages.unverified:
        return PartlyDoneError(
            f"{run.sync}: applied, but not verified: {stages.unverified}{_standing(stages)}"
        )
    reads = [each for each in (stages.checked, stages.verified) if each]
    said = []
    if wrong := sum(each.differs + each.not_found for each in reads):
        of = reads[-1]
        said.append(
            f"{wrong:,} of {of.compared:,} acknowledged values do not read back (convergence "
            f"{of.convergence:.2f} %); they are sent again after 1, 2, 4 and 7 days, or by nxp "
            f"retry {run.sync}"
        )
    if theirs := sum(each.theirs for each in reads):
        said.append(
            f"{theirs:,} values of this sync were set by others since, or altered by Nexthink as "
            "they were written, and count as others' now"
        )
    if not said:
        return None
    return PartlyDoneError(
        f"{run.sync}: {'; '.join(said)}{_standing(stages)}: see nxp rejects {run.sync} --run "
        f"{run.run_id}"
    )


def _refused(run: SyncRun, stages: SyncStages) -> PipelineError | None:
    """Return the error of fields that are missing in Nexthink, in whichever run it was noticed."""
    if not stages.refused_whole:
        return None
    by_source = stages.source.get("refused_fields", ())
    advice = []
    if stages.standing.refused_whole:
        advice.append(f"create it in Nexthink or correct its mapping, then nxp retry {run.sync}")
    if by_source:
        advice.append("its values do not fit the mapping: correct the YAML or the source")
    fields = ", ".join(dict.fromkeys(stages.refused_whole))
    return PartlyDoneError(
        f"{run.sync}: {fields} is refused as a whole{_standing(stages)}: {'; '.join(advice)}; see "
        f"nxp rejects {run.sync}"
    )


def _unlisted(run: SyncRun, stages: SyncStages) -> PipelineError | None:
    """Return the error of fields whose values wait, since nobody knows what the tenant holds."""
    planned, verify = stages.planned or {}, run.specification.verify
    fields = planned.get("unread_fields") or ()
    if verify is None or not fields or not planned["counts"].get("not_seen"):
        return None
    names = ", ".join(nql_name(name) for name in fields)
    return PartlyDoneError(
        f"{run.sync}: {verify.query_id} does not list {names}, so what Nexthink holds there is not "
        "known, and the values wait: create the field if it is missing, and add it to the query; "
        f"or accept it by `blind: [{', '.join(fields)}]` in verify{_standing(stages)}"
    )


def _missing(run: SyncRun, stages: SyncStages) -> PipelineError | None:
    """Return the error of a sync whose objects Nexthink mostly lacks: its key is probably wrong."""
    missing, held = stages.standing.objects, stages.standing.held
    if not missing or (held and (missing <= held or missing + held < FEW_OBJECTS)):
        return None
    said = (
        f"{run.sync}: Nexthink does not have {missing:,} objects, and has {held:,}: check what "
        f"identifies them{_standing(stages)}; see nxp rejects {run.sync}"
    )
    is_nothing = not held and stages.objects["objects"]
    return DataRefusedError(said) if is_nothing else PartlyDoneError(said)


def _standing(stages: SyncStages) -> str:
    words = stages.standing.words
    return f"; {words}" if words else ""
