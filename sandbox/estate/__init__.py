"""The devices, users, binaries and events of the sandbox tenant: seeded and generated on demand."""
