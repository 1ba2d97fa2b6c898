-- Talking: who is who in a dojo's voice, what its host has said of it, and how long everybody has talked.

CREATE TABLE dojo_voice_people (
    tenant_id uuid NOT NULL,
    dojo_id uuid NOT NULL,
    user_id uuid NOT NULL,
    -- What RTP packets call them, as a CSRC. Never anybody else's in this dojo.
    number bigint NOT NULL CHECK (number BETWEEN 1 AND 4294967295),
    -- Where they connected or moved to last, connected or not.
    room_id uuid NOT NULL,
    muted_by_host boolean NOT NULL DEFAULT false,
    -- By themselves, since they connected.
    muted boolean NOT NULL DEFAULT false,
    PRIMARY KEY (tenant_id, dojo_id, user_id),
    FOREIGN KEY (tenant_id, dojo_id) REFERENCES dojos ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, room_id) REFERENCES dojo_rooms ON DELETE CASCADE
);
CREATE UNIQUE INDEX dojo_voice_people_number ON dojo_voice_people (tenant_id, dojo_id, number);

CREATE TABLE dojo_voice_rooms (
    tenant_id uuid NOT NULL,
    room_id uuid NOT NULL,
    -- While it is not green only those at the keyboard talk, and the sensei.
    green_only boolean NOT NULL DEFAULT false,
    -- Whether it is. Null: nothing has said so yet.
    green boolean,
    -- Of the recording under way.
    recording_id uuid,
    PRIMARY KEY (tenant_id, room_id),
    FOREIGN KEY (tenant_id, room_id) REFERENCES dojo_rooms ON DELETE CASCADE
);

-- Several live nodes hear the same word of the SFU: `told_at`, its clock in Unix seconds, lets each count once.
CREATE TABLE dojo_voice_talk (
    tenant_id uuid NOT NULL,
    room_id uuid NOT NULL,
    user_id uuid NOT NULL,
    seconds double precision NOT NULL,
    -- What was told last, counted since they connected.
    told double precision NOT NULL,
    told_at double precision NOT NULL,
    PRIMARY KEY (tenant_id, room_id, user_id),
    FOREIGN KEY (tenant_id, room_id) REFERENCES dojo_rooms ON DELETE CASCADE
);
CREATE INDEX dojo_voice_talk_user ON dojo_voice_talk (tenant_id, user_id);

DO $policies$
DECLARE
    named text;
BEGIN
    FOREACH named IN ARRAY ARRAY['dojo_voice_people', 'dojo_voice_rooms', 'dojo_voice_talk'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', named);
        EXECUTE format(
            'CREATE POLICY tenant ON %I TO dojo_service
             USING (tenant_id = nullif(current_setting(''app.tenant'', true), '''')::uuid)
             WITH CHECK (tenant_id = nullif(current_setting(''app.tenant'', true), '''')::uuid)', named);
        EXECUTE format('CREATE POLICY definer ON %I TO dojo_definer USING (true)', named);
        EXECUTE format('GRANT SELECT, DELETE ON %I TO dojo_definer', named);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE ON %I TO dojo_service', named);
    END LOOP;
END
$policies$;
