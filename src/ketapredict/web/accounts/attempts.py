"""How often somebody may try to sign in: on an account from an address, from an address, on an account from anywhere.

An address is its network: the /64 of IPv6. All is counted in the store.
"""

from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, func, insert, select, text

from ketapredict.web.keys import Keys
from ketapredict.web.networks import network_of
from ketapredict.web.store.database import Database
from ketapredict.web.store.schema import sign_in_attempts

WINDOW = timedelta(minutes=15)
# Of one account from one address: whoever guesses elsewhere does not lock its owner out.
PER_ACCOUNT_AND_ADDRESS = 10
PER_ADDRESS = 50
# Of one account from anywhere: beyond these each attempt waits, the owner's too, and nobody is locked out.
PER_ACCOUNT = 50
LONGEST_DELAY_SECONDS = 10


class Attempts:
    """Failed attempts of the last 15 minutes; a restart forgets none.

    An attempt counts before its password is looked at, so that many at once gain nothing; one that succeeds is taken
    back with all others on its account from its address. Refused attempts do not count: who waits gets in.

    Parameters
    ----------
    database : Database
    keys : Keys
    """

    def __init__(self, database: Database, keys: Keys) -> None:
        self._database, self._keys = database, keys

    def admit(self, name: str, address: str) -> bool:
        """Count an attempt under a name, of an account or not; False if it is one too many."""
        table, now = sign_in_attempts, datetime.now(UTC)
        address = network_of(address)
        account = self._hashed(name)
        with self._database.write() as connection:
            if not self._database.is_sqlite:
                connection.execute(text("LOCK TABLE sign_in_attempts IN EXCLUSIVE MODE"))
            connection.execute(delete(table).where(table.c.at < now - WINDOW))
            counts = connection.execute(
                select(
                    func.count().filter((table.c.account_hash == account) & (table.c.address == address)),
                    func.count().filter(table.c.address == address),
                )
            ).one()
            if counts[0] >= PER_ACCOUNT_AND_ADDRESS or counts[1] >= PER_ADDRESS:
                return False
            connection.execute(insert(table).values(at=now, account_hash=account, address=address))
        return True

    def delay_seconds(self, name: str) -> float:
        """Return how long an attempt on an account is to wait before its password is looked at.

        One second for every 50 attempts of the last 15 minutes from anywhere, at most 10 seconds: guesses from ever new
        addresses get slow.
        """
        table = sign_in_attempts
        recent = (table.c.account_hash == self._hashed(name)) & (table.c.at >= datetime.now(UTC) - WINDOW)
        with self._database.read() as connection:
            found = connection.execute(select(func.count()).where(recent)).scalar_one()
        return float(min(found // PER_ACCOUNT, LONGEST_DELAY_SECONDS))

    def forget(self, name: str, address: str) -> None:
        """Take back the attempts on an account that has signed in, from where it did."""
        table = sign_in_attempts
        theirs = (table.c.account_hash == self._hashed(name)) & (table.c.address == network_of(address))
        with self._database.write() as connection:
            connection.execute(delete(table).where(theirs))

    def _hashed(self, name: str) -> str:
        return self._keys.sign("sign-in name", name.strip().lower().encode("utf-8", "replace"))
