"""How often somebody may try to sign in: on an account from an address, and from an address, counted in the store."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, func, insert, select, text

from ketapredict.web.keys import Keys
from ketapredict.web.store.database import Database
from ketapredict.web.store.schema import sign_in_attempts

WINDOW = timedelta(minutes=15)
# Of one account from one address: whoever guesses elsewhere does not lock its owner out.
PER_ACCOUNT_AND_ADDRESS = 10
PER_ADDRESS = 50


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

    def forget(self, name: str, address: str) -> None:
        """Take back the attempts on an account that has signed in, from where it did."""
        table = sign_in_attempts
        theirs = (table.c.account_hash == self._hashed(name)) & (table.c.address == address)
        with self._database.write() as connection:
            connection.execute(delete(table).where(theirs))

    def _hashed(self, name: str) -> str:
        return self._keys.sign("sign-in name", name.strip().lower().encode("utf-8", "replace"))
