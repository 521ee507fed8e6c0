"""Takes flat events: finds the policies they concern, and the episode they belong to.

An event that concerns nobody leaves no trace but a count, so that it cannot fill the memory of
episodes. Never resolves an instance: whoever acts looks it up.
"""

from autoglm_api.alerts import Alert, AlertStatus
from autoglm_api.healingrun import AlertSource
from autoglm_operator.clients import errors
from autoglm_operator.decisions.eventepisodes import TooManyEpisodesError
from autoglm_operator.receiver.document import MalformedError, read_event
from autoglm_operator.receiver.episodes import Episodes
from autoglm_operator.receiver.intake import Intake
from autoglm_operator.receiver.outcomes import Delivery
from autoglm_operator.receiver.policies import PolicyCatalogue
from autoglm_operator.receiver.storing import Report


class EventIntake:
    """Turns events into HealingRuns; refuses all while nobody may match them."""

    def __init__(
        self, policies: PolicyCatalogue, intake: Intake, episodes: Episodes | None
    ) -> None:
        self._policies = policies
        self._intake = intake
        self._episodes = episodes

    async def take(self, body: bytes) -> Delivery:
        """Store one event for every policy that it concerns.

        Raises:
            MalformedError: it cannot be read, or no events are taken.
            ApiError: its episode could not be noted.
        """
        if self._episodes is None:
            raise MalformedError(
                "Events are not taken: name namespaces in the chart's value events.namespaces."
            )
        event = read_event(body)
        policies = self._policies.matching_event(event)
        if not policies:
            return self._intake.unmatched(event.fingerprint)
        try:
            started_at = await self._episodes.started_at(event.fingerprint)
        except TooManyEpisodesError as error:
            raise errors.Unavailable(0, "TooManyEpisodes", str(error)) from error
        alert = Alert(
            status=AlertStatus.FIRING,
            labels=event.labels,
            starts_at=started_at,
            fingerprint=event.fingerprint,
        )
        return await self._intake.event(Report(alert, AlertSource.EVENT, event.hint), policies)
