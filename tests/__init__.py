"""The tests, mirroring the packages: a package itself, so that `tests.storage` is never taken for `storage`."""
