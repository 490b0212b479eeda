"""The checks of `doctor`.

`bench_checks` lists the checks of a bench, and `remote_checks` those of a site from outside. `check` runs
them. The other modules contain the checks by subject: `services`, `background`, `providers`,
`tools` and `proxy_timeouts`.
"""
