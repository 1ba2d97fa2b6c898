-- What every service shares: tenants, the revocation of tokens, signing keys, one-use tickets, idempotency keys, the audit log.
--
-- Three kinds of tables:
--   of a tenant     row-level security compares tenant_id with app.tenant, which a transaction sets once
--   of a person     (identities and what hangs on them) compares identity_id with app.identity
--   of the service  has no owner among customers; each role is granted exactly what it does with it
-- What must look across tenants is a SECURITY DEFINER function with a fixed search_path that returns ids only. Those belong
-- to dojo_definer, whom nobody can log in as and who is no superuser: what it may see stands in its policies below.

DO $roles$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['dojo_journal LOGIN', 'dojo_service LOGIN', 'dojo_worker LOGIN', 'dojo_definer NOLOGIN'] LOOP
        BEGIN
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = split_part(wanted, ' ', 1)) THEN
                EXECUTE 'CREATE ROLE ' || wanted || ' NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS';
            END IF;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;  -- another database's migration was faster
        END;
    END LOOP;
    -- To hand functions over to it; nothing is inherited.
    BEGIN
        IF NOT pg_has_role(current_user, 'dojo_definer', 'SET') THEN
            EXECUTE format('GRANT dojo_definer TO %I WITH INHERIT FALSE, SET TRUE', current_user);
        END IF;
    EXCEPTION WHEN unique_violation OR internal_error THEN
        -- "tuple concurrently updated": as above. Were it anything else, the ALTER FUNCTION below would fail.
        NULL;
    END;
END
$roles$;

-- Functions are executable by everybody unless told otherwise: here none is.
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO dojo_service, dojo_worker, dojo_definer;

-- The tenant this transaction speaks for; null when it speaks for none. After a transaction's SET LOCAL the setting
-- reads '' and not NULL. Policies spell it out, so that the planner sees it without inlining a function.

CREATE TABLE tenants (
    tenant_id uuid PRIMARY KEY,
    name varchar(100) NOT NULL,
    status varchar(20) NOT NULL DEFAULT 'ACTIVE' CHECK (status IN ('ACTIVE', 'SUSPENDED', 'ERASING')),
    max_users int NOT NULL DEFAULT 500 CHECK (max_users > 0),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
ALTER TABLE tenants ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
GRANT SELECT, INSERT, UPDATE ON tenants TO dojo_service;
CREATE POLICY tenant ON tenants TO dojo_service
    USING (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid)
    WITH CHECK (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid);
GRANT SELECT (tenant_id, status, updated_at), DELETE ON tenants TO dojo_definer;
CREATE POLICY definer ON tenants TO dojo_definer USING (true);

-- Which tokens end before their time. Rows are written by triggers (a session that is revoked, a user's raised token
-- version, a suspended tenant), so that no path can forget them, and read by every process into memory.
CREATE TABLE revocations (
    tenant_id uuid NOT NULL,
    revocation_id bigint GENERATED ALWAYS AS IDENTITY,
    -- Null: everybody of the tenant.
    user_id uuid,
    -- Null: every session of the user.
    session_id uuid,
    -- Set: only tokens of a lower version.
    token_version int,
    revoked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, revocation_id)
);
CREATE INDEX revocations_revoked_at ON revocations (revoked_at);
ALTER TABLE revocations ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
GRANT SELECT, INSERT ON revocations TO dojo_service;
CREATE POLICY tenant ON revocations TO dojo_service
    USING (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid)
    WITH CHECK (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid);
GRANT SELECT, DELETE ON revocations TO dojo_definer;
CREATE POLICY definer ON revocations TO dojo_definer USING (true);

CREATE FUNCTION tenants_revoke() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    INSERT INTO public.revocations (tenant_id) VALUES (new.tenant_id);
    RETURN new;
END
$$;
CREATE TRIGGER revoke AFTER UPDATE OF status ON tenants
    FOR EACH ROW WHEN (old.status = 'ACTIVE' AND new.status <> 'ACTIVE') EXECUTE FUNCTION tenants_revoke();

-- Everything revoked at or after `since`, of all tenants: ids and a version, nothing else.
CREATE FUNCTION revocations_since(since timestamptz)
RETURNS TABLE (tenant_id uuid, revocation_id bigint, user_id uuid, session_id uuid, token_version int, revoked_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT r.tenant_id, r.revocation_id, r.user_id, r.session_id, r.token_version, r.revoked_at
    FROM public.revocations r WHERE r.revoked_at >= since
$$;

-- The keys that sign tokens. The private half is sealed with the master key, which is in no database.
CREATE TABLE signing_keys (
    kid text PRIMARY KEY,
    public_jwk jsonb NOT NULL,
    sealed_private bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    -- From when on it signs; it is published before.
    active_from timestamptz NOT NULL,
    -- Until when it is published: set once a newer key signs and its own last token has expired.
    published_until timestamptz
);
ALTER TABLE signing_keys ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
GRANT SELECT, INSERT, DELETE ON signing_keys TO dojo_service;
GRANT UPDATE (published_until, sealed_private) ON signing_keys TO dojo_service;
CREATE POLICY service ON signing_keys TO dojo_service USING (true) WITH CHECK (true);

-- One-use tickets taken while Redis was away.
CREATE TABLE used_tickets (
    ticket_id uuid PRIMARY KEY,
    expires_at timestamptz NOT NULL
);
ALTER TABLE used_tickets ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
GRANT SELECT, INSERT, DELETE ON used_tickets TO dojo_definer;
CREATE POLICY definer ON used_tickets TO dojo_definer USING (true) WITH CHECK (true);

-- Whether this ticket was not taken before.
CREATE FUNCTION ticket_take(ticket uuid, expires timestamptz) RETURNS boolean
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    WITH taken AS (
        INSERT INTO public.used_tickets (ticket_id, expires_at) VALUES (ticket, expires) ON CONFLICT DO NOTHING RETURNING 1
    ) SELECT EXISTS (SELECT FROM taken)
$$;

-- Answers to POSTs that may be repeated (the header Idempotency-Key). Written in the transaction of the work itself: both are
-- there or none.
CREATE TABLE idempotency_keys (
    tenant_id uuid NOT NULL,
    user_id uuid NOT NULL,
    route text NOT NULL,
    key varchar(128) NOT NULL,
    -- SHA-256.
    body_hash bytea NOT NULL,
    status int NOT NULL,
    answer bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, user_id, route, key)
);
CREATE INDEX idempotency_keys_created_at ON idempotency_keys (created_at);
ALTER TABLE idempotency_keys ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
GRANT SELECT, INSERT, DELETE ON idempotency_keys TO dojo_service;
CREATE POLICY tenant ON idempotency_keys TO dojo_service
    USING (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid)
    WITH CHECK (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid);
GRANT SELECT, DELETE ON idempotency_keys TO dojo_definer;
CREATE POLICY definer ON idempotency_keys TO dojo_definer USING (true);

-- Who did what that matters. Appended to and read, never changed: by grant, and by trigger against owners too.
CREATE TABLE audit_log (
    tenant_id uuid NOT NULL,
    audit_id uuid NOT NULL DEFAULT gen_random_uuid(),
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- Null: nobody who was signed in.
    actor_id uuid,
    -- As `user.role_changed`.
    action varchar(60) NOT NULL,
    target_id uuid,
    -- Network address. Personal data: it ends with the log's retention, or with the tenant.
    network varchar(64),
    request_id varchar(64),
    details jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (tenant_id, audit_id)
);
CREATE INDEX audit_log_at ON audit_log (tenant_id, at DESC, audit_id);
ALTER TABLE audit_log ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
GRANT SELECT, INSERT ON audit_log TO dojo_service;
CREATE POLICY tenant ON audit_log TO dojo_service
    USING (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid)
    WITH CHECK (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid);
GRANT SELECT, DELETE ON audit_log TO dojo_definer;
CREATE POLICY definer ON audit_log TO dojo_definer USING (true);

CREATE FUNCTION audit_log_stays() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    -- Only in the retention and with a whole tenant's data.
    IF tg_op = 'DELETE' AND current_user = 'dojo_definer' THEN
        RETURN old;
    END IF;
    RAISE EXCEPTION 'the audit log is appended to, never changed' USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER stays BEFORE UPDATE OR DELETE ON audit_log FOR EACH ROW EXECUTE FUNCTION audit_log_stays();
CREATE TRIGGER stays_whole BEFORE TRUNCATE ON audit_log FOR EACH STATEMENT EXECUTE FUNCTION audit_log_stays();

-- Tenants whose erasure was asked for, for the worker.
CREATE FUNCTION tenants_to_erase() RETURNS SETOF uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT t.tenant_id FROM public.tenants t WHERE t.status = 'ERASING'
$$;

-- A function can be handed over only to a role that may create in the schema.
GRANT CREATE ON SCHEMA public TO dojo_definer;
ALTER FUNCTION revocations_since(timestamptz) OWNER TO dojo_definer;
ALTER FUNCTION ticket_take(uuid, timestamptz) OWNER TO dojo_definer;
ALTER FUNCTION tenants_to_erase() OWNER TO dojo_definer;
REVOKE CREATE ON SCHEMA public FROM dojo_definer;
SET LOCAL ROLE dojo_definer;
REVOKE EXECUTE ON FUNCTION revocations_since(timestamptz), ticket_take(uuid, timestamptz), tenants_to_erase() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION revocations_since(timestamptz), ticket_take(uuid, timestamptz) TO dojo_service;
GRANT EXECUTE ON FUNCTION tenants_to_erase() TO dojo_worker;
RESET ROLE;
