"""What tenants have been given of what they share, so that each has its own, and none saves up what it did not want."""

from collections.abc import Collection, Iterable, Mapping


class Shares:
    """Who comes first: the tenant that was given the least while others wanted more, too. Not for several threads.

    Promise: of n tenants that all want more, none is given less than another but for what was given at once; who comes
             to it takes a share from now on, and none of what was given before.
    Source: Goyal, Vin & Cheng 1996, doi:10.1145/248156.248171, with the time of arrival for that of departure.
    """

    def __init__(self) -> None:
        self._given: dict[str, int] = {}
        self._owed: dict[str, float] = {}

    def of(self, tenants: Iterable[str]) -> dict[str, int]:
        """What each tenant that wants something was given; who is new begins where the least of the others is."""
        known = {tenant: self._given.get(tenant) for tenant in tenants}
        least = min((given for given in known.values() if given is not None), default=0)
        self._given = {tenant: least if given is None else given for tenant, given in known.items()}
        return dict(self._given)

    def owe(self, tenants: Iterable[str], amount: float) -> None:
        """What tenants were given beside this, and pay for by going without while others want something."""
        for tenant in tenants:
            self._owed[tenant] = self._owed.get(tenant, 0.0) + amount

    def owes(self, tenants: Iterable[str]) -> bool:
        """Whether all of these tenants have to pay yet."""
        return all(self._owed.get(tenant, 0.0) > 0 for tenant in tenants)

    def solvent(self, tenants: Iterable[str], amount: float) -> list[str]:
        """The tenants that take part; others pay with what they would be given. Who owes least owes nothing."""
        owed = {tenant: self._owed.get(tenant, 0.0) for tenant in tenants}
        least = min(owed.values())
        self._owed = {tenant: max(0.0, debt - least - amount) for tenant, debt in owed.items()}
        return [tenant for tenant, debt in owed.items() if debt - least <= amount / 2]

    def give(self, amounts: Mapping[str, int], wanting: Collection[str]) -> None:
        """Notes what tenants were given, and which of them have been left wanting."""
        given = {tenant: before + amounts.get(tenant, 0) for tenant, before in self._given.items()}
        floor = min((given[tenant] for tenant in wanting), default=max(given.values(), default=0))
        self._given = {tenant: max(floor, amount) for tenant, amount in given.items()}
