-- One schema for SQLite and PostgreSQL. Times are microseconds since 1970, flags are 0 or 1.

-- One row: what concerns the pool as a whole. With several processes its revision counts their changes.
CREATE TABLE pool (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    revision BIGINT NOT NULL,
    -- Removals up to this revision are no longer remembered.
    forgotten BIGINT NOT NULL,
    -- The key that seals, and something it sealed; both unset until a process has started on the store.
    key_id TEXT,
    key_check BYTEA,
    state TEXT NOT NULL
);

INSERT INTO pool (id, revision, forgotten, state) VALUES (1, 0, 0, '{}');

CREATE TABLE credentials (
    id TEXT PRIMARY KEY,
    -- A digest of the kind and the secret it came with.
    origin TEXT NOT NULL UNIQUE,
    display_name TEXT NOT NULL,
    tier TEXT NOT NULL,
    kind TEXT NOT NULL,
    source TEXT NOT NULL,
    -- Its number in the order of its tier.
    place BIGINT NOT NULL,
    -- The key that sealed the secret and the access token.
    key_id TEXT NOT NULL,
    secret BYTEA NOT NULL,
    token BYTEA,
    -- Everything else, JSON.
    state TEXT NOT NULL,
    revision BIGINT NOT NULL
);

CREATE INDEX credentials_by_revision ON credentials (revision);

CREATE TABLE leases (
    id TEXT PRIMARY KEY,
    credential_id TEXT NOT NULL,
    grant_number BIGINT NOT NULL,
    token_serial BIGINT NOT NULL,
    lent BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    revision BIGINT NOT NULL
);

CREATE INDEX leases_by_revision ON leases (revision);

-- What was removed, for processes that have not heard of it.
CREATE TABLE removals (
    revision BIGINT NOT NULL,
    kind TEXT NOT NULL,
    id TEXT NOT NULL
);

CREATE INDEX removals_by_revision ON removals (revision);

CREATE TABLE audit_events (
    id TEXT PRIMARY KEY,
    happened_at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    credential_id TEXT,
    detail TEXT NOT NULL
);
