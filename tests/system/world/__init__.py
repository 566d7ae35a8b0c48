"""The outside world of the system tests: the farm of relays, the daemon under test, its archive as SQL shows it.

    farm.py      starts tests/support/farm and speaks with its control port
    daemon.py    writes an ini, starts bigbrotrd as an unprivileged user, stops it, proves that nothing is left of it
    archive.py   reads the archive, and checks the invariant of completeness against the farm's record
    servers.py   PostgreSQL and PgBouncer of our own, the third-party relay, the SOCKS5 server
    process.py   starting, naming and counting processes; waiting for a condition
"""
