-- What time does to dojos: months of chat, keyframes and totals after the end, hosts who never came, old invitations.

-- Chat by month. What was said until now moves into the months it belongs to. Not forced any more on the default partition:
-- the owner's function moves rows out of it.
ALTER TABLE dojo_chat_messages_default NO FORCE ROW LEVEL SECURITY;
SELECT months_turn('dojo_chat_messages', '-infinity');

CREATE FUNCTION dojo_chat_turn(cutoff timestamptz, OUT made int, OUT dropped int)
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT t.made, t.dropped FROM public.months_turn('public.dojo_chat_messages', cutoff) t
$$;
REVOKE EXECUTE ON FUNCTION dojo_chat_turn(timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION dojo_chat_turn(timestamptz) TO dojo_worker;

-- How long the turn stood still: pauses and breaks are no piloting.
ALTER TABLE dojo_turns ADD COLUMN paused interval NOT NULL DEFAULT interval '0';

ALTER TABLE dojo_rooms
    -- There is a keyframe behind all rows of the journal from before this moment: the journal up to there may go.
    ADD COLUMN keyframed_before timestamptz,
    -- Whether everything typed in the room is in dojo_typed. Null: not counted yet.
    ADD COLUMN typed_complete boolean;
CREATE INDEX dojo_rooms_uncounted ON dojo_rooms (ended_at) WHERE ended_at IS NOT NULL AND typed_complete IS NULL;
CREATE INDEX dojos_open ON dojos (status, scheduled_start_time) WHERE status IN ('SCHEDULED', 'ACTIVE');

-- Who typed how much in a room that has ended, in UTF-16 code units: the journal it was counted from ends with its retention.
CREATE TABLE dojo_typed (
    tenant_id uuid NOT NULL,
    room_id uuid NOT NULL,
    user_id uuid NOT NULL,
    typed bigint NOT NULL,
    deleted bigint NOT NULL,
    PRIMARY KEY (tenant_id, room_id, user_id),
    FOREIGN KEY (tenant_id, room_id) REFERENCES dojo_rooms ON DELETE CASCADE
);
CREATE INDEX dojo_typed_user ON dojo_typed (tenant_id, user_id);
ALTER TABLE dojo_typed ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON dojo_typed TO dojo_service
    USING (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid)
    WITH CHECK (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid);
CREATE POLICY definer ON dojo_typed TO dojo_definer USING (true);
GRANT SELECT, DELETE ON dojo_typed TO dojo_definer;
GRANT SELECT ON dojo_typed TO dojo_service;

-- The worker ends dojos and looks back on them, one tenant at a time, as the services do.
DO $policies$
DECLARE
    named text;
BEGIN
    FOREACH named IN ARRAY ARRAY[
        'audit_log', 'collab_base', 'collab_journal', 'collab_journal_history', 'collab_owners', 'dojos', 'dojo_rooms',
        'dojo_room_participants', 'dojo_invitations', 'dojo_code_snapshots', 'dojo_turns', 'dojo_room_keyframes', 'dojo_typed'
    ] LOOP
        EXECUTE format(
            'CREATE POLICY worker ON %I TO dojo_worker
             USING (tenant_id = nullif(current_setting(''app.tenant'', true), '''')::uuid)
             WITH CHECK (tenant_id = nullif(current_setting(''app.tenant'', true), '''')::uuid)', named);
    END LOOP;
END
$policies$;
GRANT INSERT ON audit_log, dojo_turns TO dojo_worker;
GRANT SELECT ON collab_base, collab_journal, collab_journal_history, collab_owners TO dojo_worker;
GRANT SELECT (tenant_id, dojo_id, status) ON dojos TO dojo_worker;
GRANT UPDATE (status, updated_at, ended_at, join_code_hash) ON dojos TO dojo_worker;
GRANT SELECT ON dojo_rooms TO dojo_worker;
GRANT UPDATE (status, ended_at, turn, sensei_id, version, keyframed_before, typed_complete) ON dojo_rooms TO dojo_worker;
GRANT SELECT, UPDATE (left_at) ON dojo_room_participants TO dojo_worker;
GRANT SELECT (tenant_id, dojo_id, accepted_at, revoked_at), UPDATE (revoked_at) ON dojo_invitations TO dojo_worker;
GRANT SELECT, INSERT ON dojo_code_snapshots TO dojo_worker;
GRANT SELECT, INSERT, DELETE ON dojo_room_keyframes, dojo_typed TO dojo_worker;

-- Looking across tenants: ids only. When something was written in a room is no content.
GRANT SELECT (room, committed_at) ON collab_journal, collab_journal_history TO dojo_definer;

-- Dojos that nobody looks after: scheduled, and not started `no_show` after their hour; active, and nobody was in for `idle`.
-- A node that died may leave a stay open for good: with an open one it takes a week without a sign of life.
CREATE FUNCTION dojos_lapsed(no_show interval, idle interval, most int, only_dojo uuid DEFAULT NULL)
RETURNS TABLE (tenant_id uuid, dojo_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT d.tenant_id, d.dojo_id FROM public.dojos d
    CROSS JOIN LATERAL (
        SELECT now() - CASE WHEN EXISTS (
            SELECT FROM public.dojo_rooms r JOIN public.dojo_room_participants s USING (tenant_id, room_id)
            WHERE r.tenant_id = d.tenant_id AND r.dojo_id = d.dojo_id AND s.left_at IS NULL
        ) THEN greatest(idle, interval '7 days') ELSE idle END AS at
    ) AS since
    WHERE (only_dojo IS NULL OR d.dojo_id = only_dojo) AND (
        d.status = 'SCHEDULED' AND d.scheduled_start_time < now() - no_show
        OR d.status = 'ACTIVE' AND d.started_at < since.at
        AND NOT EXISTS (
            SELECT FROM public.dojo_chat_messages m
            WHERE m.tenant_id = d.tenant_id AND m.dojo_id = d.dojo_id AND m.timestamp >= since.at)
        AND NOT EXISTS (
            SELECT FROM public.dojo_rooms r WHERE r.tenant_id = d.tenant_id AND r.dojo_id = d.dojo_id AND (
                EXISTS (SELECT FROM public.dojo_room_participants s WHERE s.tenant_id = r.tenant_id AND s.room_id = r.room_id
                        AND greatest(s.joined_at, s.left_at) >= since.at)
                OR EXISTS (SELECT FROM public.collab_journal j WHERE j.tenant_id = r.tenant_id
                           AND j.room = r.room_id::text AND j.committed_at >= since.at)
                OR EXISTS (SELECT FROM public.collab_journal_history h WHERE h.tenant_id = r.tenant_id
                           AND h.room = r.room_id::text AND h.committed_at >= since.at)))
    ) LIMIT most
$$;

-- Rooms that have ended and were not counted yet. A minute later all their rows have their place.
CREATE FUNCTION dojo_rooms_uncounted(most int) RETURNS TABLE (tenant_id uuid, room_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT r.tenant_id, r.room_id FROM public.dojo_rooms r
    WHERE r.ended_at < now() - interval '1 minute' AND r.typed_complete IS NULL ORDER BY r.ended_at LIMIT most
$$;

-- Rooms with rows from before `cutoff` in the history, and no keyframe behind them.
CREATE FUNCTION dojo_rooms_before_cut(cutoff timestamptz, most int) RETURNS TABLE (tenant_id uuid, room_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT r.tenant_id, r.room_id FROM public.dojo_rooms r
    WHERE r.created_at < cutoff AND (r.keyframed_before IS NULL OR r.keyframed_before < cutoff)
      AND EXISTS (SELECT FROM public.collab_journal_history h
                  WHERE h.tenant_id = r.tenant_id AND h.room = r.room_id::text AND h.committed_at < cutoff)
    LIMIT most
$$;

-- Invitations that came to their end 90 days ago: they hold addresses, also of people who never came.
CREATE FUNCTION prune_dojo_invitations() RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    WITH gone AS (
        DELETE FROM public.dojo_invitations i
        WHERE least(i.expires_at, i.accepted_at, i.revoked_at) < now() - interval '90 days' RETURNING 1
    ) SELECT count(*) FROM gone
$$;

GRANT CREATE ON SCHEMA public TO dojo_definer;
DO $owners$
DECLARE
    named text;
BEGIN
    FOREACH named IN ARRAY ARRAY[
        'dojos_lapsed(interval, interval, int, uuid)', 'dojo_rooms_uncounted(int)', 'dojo_rooms_before_cut(timestamptz, int)',
        'prune_dojo_invitations()'
    ] LOOP
        EXECUTE format('ALTER FUNCTION %s OWNER TO dojo_definer', named);
    END LOOP;
END
$owners$;
REVOKE CREATE ON SCHEMA public FROM dojo_definer;
SET LOCAL ROLE dojo_definer;
REVOKE EXECUTE ON FUNCTION dojos_lapsed(interval, interval, int, uuid), dojo_rooms_uncounted(int),
    dojo_rooms_before_cut(timestamptz, int), prune_dojo_invitations() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION dojos_lapsed(interval, interval, int, uuid), dojo_rooms_uncounted(int),
    dojo_rooms_before_cut(timestamptz, int), prune_dojo_invitations() TO dojo_worker;
RESET ROLE;
