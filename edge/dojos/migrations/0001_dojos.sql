-- Dojos, their rooms and people, and what was said and written in them.

CREATE TABLE dojos (
    tenant_id uuid NOT NULL REFERENCES tenants,
    dojo_id uuid NOT NULL DEFAULT gen_random_uuid(),
    creator_id uuid NOT NULL,
    name varchar(100) NOT NULL,
    description text NOT NULL DEFAULT '',
    language varchar(50) NOT NULL,
    -- Null: no bound but the server's own.
    max_participants int CHECK (max_participants > 0),
    is_private boolean NOT NULL DEFAULT true,
    scheduled_start_time timestamptz,
    initial_code text NOT NULL DEFAULT '',
    -- SHA-256 of the code in its normal form. Null: void.
    join_code_hash bytea,
    status varchar(20) NOT NULL DEFAULT 'SCHEDULED'
        CHECK (status IN ('SCHEDULED', 'ACTIVE', 'COMPLETED', 'CANCELLED', 'FAILED')),
    -- Who joins by code waits until the host admits them.
    waiting_room boolean NOT NULL DEFAULT false,
    allow_guests boolean NOT NULL DEFAULT false,
    -- Nobody new comes in, whatever they show.
    locked boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    started_at timestamptz,
    ended_at timestamptz,
    recording_url varchar(512),
    PRIMARY KEY (tenant_id, dojo_id),
    FOREIGN KEY (tenant_id, creator_id) REFERENCES users
);
CREATE UNIQUE INDEX dojos_join_code ON dojos (join_code_hash);
CREATE INDEX dojos_creator ON dojos (tenant_id, creator_id);
CREATE INDEX dojos_status ON dojos (tenant_id, status, scheduled_start_time);
CREATE INDEX dojos_created_at ON dojos (tenant_id, created_at, dojo_id);

-- A room is one document, its chat and its roles; a dojo has one or more side by side.
CREATE TABLE dojo_rooms (
    tenant_id uuid NOT NULL,
    room_id uuid NOT NULL DEFAULT gen_random_uuid(),
    dojo_id uuid NOT NULL,
    -- What the challenge is.
    name varchar(100) NOT NULL,
    sensei_id uuid,
    status varchar(20) NOT NULL DEFAULT 'ACTIVE' CHECK (status IN ('ACTIVE', 'FAILED', 'FINISHED')),
    is_main boolean NOT NULL DEFAULT false,
    -- Roles, format, rotation and timer; what is in it says edge/dojos/turns.
    turn jsonb NOT NULL DEFAULT '{}',
    -- Of `turn` and `sensei_id`: a change names the version it is made to.
    version bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz,
    PRIMARY KEY (tenant_id, room_id),
    FOREIGN KEY (tenant_id, dojo_id) REFERENCES dojos ON DELETE CASCADE
);
CREATE INDEX dojo_rooms_dojo ON dojo_rooms (tenant_id, dojo_id, created_at);

CREATE TABLE dojo_participants (
    tenant_id uuid NOT NULL,
    dojo_id uuid NOT NULL,
    user_id uuid NOT NULL,
    -- A guest is no user of the tenant; guests are shown as such.
    is_guest boolean NOT NULL DEFAULT false,
    shown_name varchar(100) NOT NULL,
    -- What names that look alike have in common: a guest never goes under a member's.
    name_key text NOT NULL DEFAULT '',
    role varchar(20) NOT NULL DEFAULT 'PARTICIPANT' CHECK (role IN ('HOST', 'PARTICIPANT', 'OBSERVER')),
    status varchar(20) NOT NULL DEFAULT 'ADMITTED' CHECK (status IN ('WAITING', 'ADMITTED', 'REMOVED', 'BANNED')),
    join_time timestamptz NOT NULL DEFAULT now(),
    -- Set: gave the seat back. Whoever is ADMITTED without it has a seat, connected or not.
    leave_time timestamptz,
    last_active_time timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, dojo_id, user_id),
    FOREIGN KEY (tenant_id, dojo_id) REFERENCES dojos ON DELETE CASCADE
);
CREATE INDEX dojo_participants_user ON dojo_participants (tenant_id, user_id);

-- One row per stay.
CREATE TABLE dojo_room_participants (
    tenant_id uuid NOT NULL,
    room_id uuid NOT NULL,
    user_id uuid NOT NULL,
    joined_at timestamptz NOT NULL DEFAULT now(),
    left_at timestamptz,
    PRIMARY KEY (tenant_id, room_id, user_id, joined_at),
    FOREIGN KEY (tenant_id, room_id) REFERENCES dojo_rooms ON DELETE CASCADE
);
-- Who is in a room now, and once only.
CREATE UNIQUE INDEX dojo_room_participants_now ON dojo_room_participants (tenant_id, room_id, user_id)
    WHERE left_at IS NULL;

CREATE TABLE dojo_invitations (
    tenant_id uuid NOT NULL,
    invitation_id uuid NOT NULL DEFAULT gen_random_uuid(),
    dojo_id uuid NOT NULL,
    email varchar(254) NOT NULL,
    role varchar(20) NOT NULL DEFAULT 'PARTICIPANT' CHECK (role IN ('PARTICIPANT', 'OBSERVER')),
    token_hash bytea NOT NULL,
    invited_by uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    accepted_at timestamptz,
    revoked_at timestamptz,
    PRIMARY KEY (tenant_id, invitation_id),
    FOREIGN KEY (tenant_id, dojo_id) REFERENCES dojos ON DELETE CASCADE
);
CREATE INDEX dojo_invitations_dojo ON dojo_invitations (tenant_id, dojo_id, created_at);
CREATE INDEX dojo_invitations_email ON dojo_invitations (tenant_id, email, dojo_id);
CREATE UNIQUE INDEX dojo_invitations_token ON dojo_invitations (tenant_id, token_hash);

CREATE TABLE dojo_chat_messages (
    tenant_id uuid NOT NULL,
    message_id uuid NOT NULL DEFAULT gen_random_uuid(),
    dojo_id uuid NOT NULL,
    room_id uuid NOT NULL,
    user_id uuid NOT NULL,
    user_name varchar(100) NOT NULL,
    message text NOT NULL,
    timestamp timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, timestamp, message_id)
) PARTITION BY RANGE (timestamp);
CREATE INDEX dojo_chat_messages_room ON dojo_chat_messages (tenant_id, room_id, timestamp, message_id);
CREATE TABLE dojo_chat_messages_default PARTITION OF dojo_chat_messages DEFAULT;

CREATE TABLE dojo_code_snapshots (
    tenant_id uuid NOT NULL,
    snapshot_id uuid NOT NULL DEFAULT gen_random_uuid(),
    dojo_id uuid NOT NULL,
    room_id uuid NOT NULL,
    timestamp timestamptz NOT NULL DEFAULT clock_timestamp(),
    reason varchar(20) NOT NULL DEFAULT 'DEMAND' CHECK (reason IN ('DEMAND', 'RUN', 'END')),
    -- Path -> text of every file, as one JSON object.
    code text NOT NULL,
    user_id uuid,
    PRIMARY KEY (tenant_id, snapshot_id),
    FOREIGN KEY (tenant_id, room_id) REFERENCES dojo_rooms ON DELETE CASCADE
);
CREATE INDEX dojo_code_snapshots_room ON dojo_code_snapshots (tenant_id, room_id, timestamp);

-- Turns that have ended: who piloted how long.
CREATE TABLE dojo_turns (
    tenant_id uuid NOT NULL,
    room_id uuid NOT NULL,
    turn_number int NOT NULL,
    pilot_id uuid NOT NULL,
    copilot_id uuid,
    started_at timestamptz NOT NULL,
    ended_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, room_id, turn_number),
    FOREIGN KEY (tenant_id, room_id) REFERENCES dojo_rooms ON DELETE CASCADE
);

-- What the HTTP API asks of the node that has a room open.
CREATE TABLE dojo_room_commands (
    tenant_id uuid NOT NULL,
    command_id uuid NOT NULL DEFAULT gen_random_uuid(),
    room_id uuid NOT NULL,
    user_id uuid NOT NULL,
    kind varchar(20) NOT NULL CHECK (kind IN ('RESTORE')),
    payload jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    done_at timestamptz,
    outcome varchar(60),
    PRIMARY KEY (tenant_id, command_id),
    FOREIGN KEY (tenant_id, room_id) REFERENCES dojo_rooms ON DELETE CASCADE
);
CREATE INDEX dojo_room_commands_open ON dojo_room_commands (tenant_id, room_id, created_at) WHERE done_at IS NULL;

DO $policies$
DECLARE
    named text;
BEGIN
    FOREACH named IN ARRAY ARRAY[
        'dojos', 'dojo_rooms', 'dojo_participants', 'dojo_room_participants', 'dojo_invitations', 'dojo_chat_messages',
        'dojo_code_snapshots', 'dojo_turns', 'dojo_room_commands'
    ] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', named);
        EXECUTE format(
            'CREATE POLICY tenant ON %I TO dojo_service
             USING (tenant_id = nullif(current_setting(''app.tenant'', true), '''')::uuid)
             WITH CHECK (tenant_id = nullif(current_setting(''app.tenant'', true), '''')::uuid)', named);
        EXECUTE format('CREATE POLICY definer ON %I TO dojo_definer USING (true)', named);
        EXECUTE format('GRANT SELECT, DELETE ON %I TO dojo_definer', named);
    END LOOP;
END
$policies$;
-- Addressed by its own name it has its own row-level security: with no policy, nobody enters.
ALTER TABLE dojo_chat_messages_default ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
GRANT SELECT, INSERT, UPDATE ON dojos, dojo_rooms, dojo_participants, dojo_room_participants, dojo_invitations,
    dojo_room_commands TO dojo_service;
-- Names of people who were removed are taken out of what they wrote.
GRANT UPDATE (user_name) ON dojo_chat_messages TO dojo_service;
GRANT SELECT, INSERT ON dojo_chat_messages, dojo_code_snapshots, dojo_turns TO dojo_service;

-- Looking across tenants: whose join code this is.
CREATE FUNCTION dojo_by_join_code(hash bytea) RETURNS TABLE (tenant_id uuid, dojo_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT d.tenant_id, d.dojo_id FROM public.dojos d WHERE d.join_code_hash = hash
$$;

-- Rooms whose turn may be over by now, for whoever looks after timers; the tenants' rows are read under their own policies.
CREATE FUNCTION dojo_turns_due() RETURNS TABLE (tenant_id uuid, room_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT r.tenant_id, r.room_id FROM public.dojo_rooms r
    WHERE r.status = 'ACTIVE' AND (r.turn ->> 'due_at')::timestamptz <= clock_timestamp() LIMIT 1000
$$;

GRANT CREATE ON SCHEMA public TO dojo_definer;
ALTER FUNCTION dojo_by_join_code(bytea) OWNER TO dojo_definer;
ALTER FUNCTION dojo_turns_due() OWNER TO dojo_definer;
REVOKE CREATE ON SCHEMA public FROM dojo_definer;
SET LOCAL ROLE dojo_definer;
REVOKE EXECUTE ON FUNCTION dojo_by_join_code(bytea), dojo_turns_due() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION dojo_by_join_code(bytea), dojo_turns_due() TO dojo_service;
RESET ROLE;
