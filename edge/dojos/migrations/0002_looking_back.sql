-- Looking back on a room: whole states of it, so that any moment is reached from one near it.

-- A keyframe is what the journal's rows up to a position come to; a segment is the rows between two of them. Rows keep
-- their position when compaction moves them to the history.
CREATE TABLE dojo_room_keyframes (
    tenant_id uuid NOT NULL,
    room_id uuid NOT NULL,
    number int NOT NULL,
    -- The position of the last row in it.
    committed_at timestamptz NOT NULL,
    node_epoch uuid NOT NULL,
    node_sequence bigint NOT NULL,
    -- Rows up to here, from the room's first: if fewer are left, the history before was dropped.
    rows bigint NOT NULL,
    -- Unix milliseconds of the earliest entry of the segment, and of the latest up to here.
    first_ms bigint NOT NULL,
    last_ms bigint NOT NULL,
    state bytea NOT NULL,
    PRIMARY KEY (tenant_id, room_id, number),
    FOREIGN KEY (tenant_id, room_id) REFERENCES dojo_rooms ON DELETE CASCADE
);

ALTER TABLE dojo_room_keyframes ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON dojo_room_keyframes TO dojo_service
    USING (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid)
    WITH CHECK (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid);
CREATE POLICY definer ON dojo_room_keyframes TO dojo_definer USING (true);
GRANT SELECT, DELETE ON dojo_room_keyframes TO dojo_definer;
GRANT SELECT, INSERT, DELETE ON dojo_room_keyframes TO dojo_service;

-- The chat of a whole dojo, in order.
CREATE INDEX dojo_chat_messages_dojo ON dojo_chat_messages (tenant_id, dojo_id, timestamp, message_id);
