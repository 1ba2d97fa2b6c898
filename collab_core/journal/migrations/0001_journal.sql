-- The journal: what was typed, as it arrived. collab_journal holds rows not folded yet, collab_base one merged base per
-- room, collab_journal_history the rows that a base holds already (times and authors, for a retention).
-- The bytes keep Postgres' own compression: measured on typed code, a base of 132 kB takes 50 kB for 2.3 ms more per
-- (rare) fold, a row of 100 keystrokes 1.2 kB instead of 5.6 kB for 0.03 ms.

-- Roles are of the whole cluster and outlive a database: another database's migration may be creating them right now.
DO $roles$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['dojo_journal', 'dojo_service'] LOOP
        BEGIN
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
                EXECUTE format('CREATE ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS', wanted);
            END IF;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;
        END;
    END LOOP;
END
$roles$;

GRANT USAGE ON SCHEMA public TO dojo_journal, dojo_service;

CREATE TABLE collab_base (
    tenant_id uuid NOT NULL,
    room text NOT NULL,
    base bytea NOT NULL,
    folded_at timestamptz NOT NULL DEFAULT now(),
    rows_folded bigint NOT NULL,
    PRIMARY KEY (tenant_id, room)
);

CREATE TABLE collab_journal (
    tenant_id uuid NOT NULL,
    room text NOT NULL,
    node_epoch uuid NOT NULL,
    node_sequence bigint NOT NULL,
    committed_at timestamptz NOT NULL DEFAULT now(),
    entries bytea NOT NULL,
    PRIMARY KEY (node_epoch, node_sequence)
) WITH (
    -- Rows come and go: vacuum by their number, not by a share of what happens to be unfolded.
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 10000,
    autovacuum_vacuum_insert_scale_factor = 0,
    autovacuum_vacuum_insert_threshold = 100000
);
CREATE INDEX collab_journal_room ON collab_journal (tenant_id, room);

CREATE TABLE collab_journal_history (
    tenant_id uuid NOT NULL,
    room text NOT NULL,
    node_epoch uuid NOT NULL,
    node_sequence bigint NOT NULL,
    committed_at timestamptz NOT NULL,
    entries bytea NOT NULL,
    PRIMARY KEY (committed_at, node_epoch, node_sequence)
) PARTITION BY RANGE (committed_at);
CREATE INDEX collab_journal_history_room ON collab_journal_history (tenant_id, room, committed_at);
-- Takes what no month takes, so that compaction never fails for want of a partition.
CREATE TABLE collab_journal_history_default PARTITION OF collab_journal_history DEFAULT;

ALTER TABLE collab_base ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE collab_journal ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE collab_journal_history ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
-- A partition addressed by its own name has its own row-level security: with no policy, nobody but the owner enters.
-- Not forced: the owner's functions below move rows between partitions.
ALTER TABLE collab_journal_history_default ENABLE ROW LEVEL SECURITY;

-- The writer appends for many tenants in one transaction, and can read nothing back.
GRANT INSERT ON collab_journal TO dojo_journal;
CREATE POLICY append ON collab_journal FOR INSERT TO dojo_journal WITH CHECK (true);

-- Everybody else speaks for the one tenant the transaction names. After a transaction's SET LOCAL the setting reads ''
-- and not NULL, hence nullif.
GRANT SELECT, DELETE ON collab_journal TO dojo_service;
CREATE POLICY tenant_reads ON collab_journal FOR SELECT TO dojo_service
    USING (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid);
CREATE POLICY tenant_folds ON collab_journal FOR DELETE TO dojo_service
    USING (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid);

GRANT SELECT, INSERT, UPDATE ON collab_base TO dojo_service;
CREATE POLICY tenant ON collab_base TO dojo_service
    USING (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid)
    WITH CHECK (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid);

GRANT SELECT, INSERT ON collab_journal_history TO dojo_service;
CREATE POLICY tenant ON collab_journal_history TO dojo_service
    USING (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid)
    WITH CHECK (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid);

-- Makes the partitions of this month and of the next `months_ahead`; returns how many were missing. Rows of such a month
-- that had to go to the default partition move to their own. To be called by the owner, at start and daily.
CREATE FUNCTION collab_history_prepare(months_ahead int) RETURNS int
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    this_month constant timestamptz := date_trunc('month', now());
    lower_bound timestamptz;
    upper_bound timestamptz;
    partition text;
    made int := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('collab_journal_history', 0));
    FOR ahead IN 0..months_ahead LOOP
        lower_bound := this_month + make_interval(months => ahead);
        upper_bound := this_month + make_interval(months => ahead + 1);
        partition := 'collab_journal_history_' || to_char(lower_bound, 'YYYYMM');
        CONTINUE WHEN to_regclass('public.' || partition) IS NOT NULL;
        EXECUTE format('CREATE TABLE public.%I (LIKE public.collab_journal_history INCLUDING ALL)', partition);
        -- The default partition must hold nothing of the new one's range, and get nothing until it is attached.
        LOCK TABLE public.collab_journal_history_default IN ACCESS EXCLUSIVE MODE;
        EXECUTE format(
            'WITH moved AS (DELETE FROM public.collab_journal_history_default WHERE committed_at >= $1 AND committed_at < $2
             RETURNING *) INSERT INTO public.%I SELECT * FROM moved', partition) USING lower_bound, upper_bound;
        EXECUTE format(
            'ALTER TABLE public.collab_journal_history ATTACH PARTITION public.%I FOR VALUES FROM (%L) TO (%L)',
            partition, lower_bound, upper_bound);
        EXECUTE format('ALTER TABLE public.%I ENABLE ROW LEVEL SECURITY', partition);
        made := made + 1;
    END LOOP;
    RETURN made;
END
$$;

-- Ends the retention of everything committed before `cutoff`: drops the months that lie wholly before it (no row is
-- touched, nothing is left to vacuum) and clears the default partition; returns how many were dropped. Owner only.
CREATE FUNCTION collab_history_drop_before(cutoff timestamptz) RETURNS int
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    partition text;
    dropped int := 0;
BEGIN
    IF cutoff > now() THEN
        RAISE EXCEPTION 'the cutoff % lies in the future', cutoff USING ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('collab_journal_history', 0));
    FOR partition IN
        SELECT child.relname
        FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid
        WHERE inhparent = 'public.collab_journal_history'::regclass AND child.relname ~ '_\d{6}$'
          AND to_timestamp(right(child.relname, 6), 'YYYYMM') + interval '1 month' <= cutoff
    LOOP
        EXECUTE format('DROP TABLE public.%I', partition);
        dropped := dropped + 1;
    END LOOP;
    DELETE FROM public.collab_journal_history_default WHERE committed_at < cutoff;
    RETURN dropped;
END
$$;

REVOKE EXECUTE ON FUNCTION collab_history_prepare(int), collab_history_drop_before(timestamptz) FROM PUBLIC;

SELECT collab_history_prepare(3);
