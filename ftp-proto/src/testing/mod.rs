//! Tools for tests: storage in memory, the transcript runner, the simulated world.
