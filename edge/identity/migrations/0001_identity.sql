-- People, their membership in tenants, and how they prove who they are.
-- An identity is one person's login, one per e-mail. A user is that person in one tenant, with an id of its own in each, so
-- that ids of two tenants cannot be matched.

CREATE TABLE identities (
    identity_id uuid PRIMARY KEY,
    -- Normalised: NFC, no outer blanks, lower case.
    email varchar(254) NOT NULL,
    -- argon2id.
    password_hash varchar(255) NOT NULL,
    email_verified_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX identities_email ON identities (email);
ALTER TABLE identities ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
GRANT SELECT, INSERT, UPDATE, DELETE ON identities TO dojo_service;
CREATE POLICY identity ON identities TO dojo_service
    USING (identity_id = nullif(current_setting('app.identity', true), '')::uuid)
    WITH CHECK (identity_id = nullif(current_setting('app.identity', true), '')::uuid);
GRANT SELECT, DELETE ON identities TO dojo_definer;
CREATE POLICY definer ON identities TO dojo_definer USING (true);

-- What is mailed to prove that a mailbox is one's own: to verify an e-mail, to reset a password. Hashed, one use.
CREATE TABLE email_tokens (
    token_hash bytea PRIMARY KEY,
    -- Null: somebody asked for an address that nobody has. The row is written all the same, so that time tells nothing.
    identity_id uuid REFERENCES identities ON DELETE CASCADE,
    purpose varchar(20) NOT NULL CHECK (purpose IN ('VERIFY', 'RESET')),
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    used_at timestamptz
);
CREATE INDEX email_tokens_identity ON email_tokens (identity_id);
CREATE INDEX email_tokens_expires_at ON email_tokens (expires_at);
ALTER TABLE email_tokens ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
GRANT SELECT, INSERT, UPDATE, DELETE ON email_tokens TO dojo_service;
CREATE POLICY identity ON email_tokens TO dojo_service
    USING (identity_id = nullif(current_setting('app.identity', true), '')::uuid)
    WITH CHECK (identity_id IS NOT DISTINCT FROM nullif(current_setting('app.identity', true), '')::uuid);
GRANT SELECT, DELETE ON email_tokens TO dojo_definer;
CREATE POLICY definer ON email_tokens TO dojo_definer USING (true);

CREATE TABLE users (
    tenant_id uuid NOT NULL REFERENCES tenants,
    user_id uuid NOT NULL DEFAULT gen_random_uuid(),
    -- Null: somebody who only comes through an outside issuer, or who was removed.
    identity_id uuid REFERENCES identities ON DELETE SET NULL,
    email varchar(255),
    full_name varchar(100) NOT NULL,
    role varchar(20) NOT NULL DEFAULT 'member' CHECK (role IN ('admin', 'host', 'member', 'guest')),
    status varchar(20) NOT NULL DEFAULT 'ACTIVE' CHECK (status IN ('ACTIVE', 'SUSPENDED', 'REMOVED')),
    -- Tokens of a lower version are refused.
    token_version int NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    last_login_at timestamptz,
    PRIMARY KEY (tenant_id, user_id)
);
CREATE UNIQUE INDEX users_identity ON users (tenant_id, identity_id);
CREATE INDEX users_identity_everywhere ON users (identity_id);
CREATE INDEX users_email ON users (tenant_id, email);
CREATE INDEX users_status ON users (tenant_id, status);
CREATE INDEX users_created_at ON users (tenant_id, created_at, user_id);
ALTER TABLE users ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
GRANT SELECT, INSERT, UPDATE ON users TO dojo_service;
CREATE POLICY tenant ON users TO dojo_service
    USING (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid)
    WITH CHECK (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid);
GRANT SELECT, DELETE ON users TO dojo_definer;
CREATE POLICY definer ON users TO dojo_definer USING (true);

-- Another role or status is another version: tokens that say the old one end within seconds.
CREATE FUNCTION users_version() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF new.role <> old.role OR new.status <> old.status THEN
        new.token_version := greatest(new.token_version, old.token_version + 1);
    END IF;
    RETURN new;
END
$$;
CREATE TRIGGER version BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION users_version();

CREATE FUNCTION users_revoke() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    INSERT INTO public.revocations (tenant_id, user_id, token_version) VALUES (new.tenant_id, new.user_id, new.token_version);
    RETURN new;
END
$$;
CREATE TRIGGER revoke AFTER UPDATE ON users
    FOR EACH ROW WHEN (new.token_version > old.token_version) EXECUTE FUNCTION users_revoke();

CREATE TABLE sessions (
    tenant_id uuid NOT NULL,
    session_id uuid NOT NULL DEFAULT gen_random_uuid(),
    user_id uuid NOT NULL,
    kind varchar(20) NOT NULL CHECK (kind IN ('NATIVE', 'BROWSER')),
    user_agent varchar(200),
    network varchar(64),
    created_at timestamptz NOT NULL DEFAULT now(),
    last_used_at timestamptz NOT NULL DEFAULT now(),
    -- However often it is refreshed, it ends then.
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    PRIMARY KEY (tenant_id, session_id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users ON DELETE CASCADE
);
CREATE INDEX sessions_user ON sessions (tenant_id, user_id, created_at);
CREATE INDEX sessions_expires_at ON sessions (expires_at);
ALTER TABLE sessions ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
GRANT SELECT, INSERT, UPDATE ON sessions TO dojo_service;
CREATE POLICY tenant ON sessions TO dojo_service
    USING (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid)
    WITH CHECK (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid);
GRANT SELECT, DELETE ON sessions TO dojo_definer;
CREATE POLICY definer ON sessions TO dojo_definer USING (true);

CREATE FUNCTION sessions_revoke() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    INSERT INTO public.revocations (tenant_id, user_id, session_id) VALUES (new.tenant_id, new.user_id, new.session_id);
    RETURN new;
END
$$;
CREATE TRIGGER revoke AFTER UPDATE ON sessions
    FOR EACH ROW WHEN (old.revoked_at IS NULL AND new.revoked_at IS NOT NULL) EXECUTE FUNCTION sessions_revoke();

-- One row per refresh token ever given out, until its session is pruned: that is how a token used twice is recognised.
CREATE TABLE refresh_tokens (
    tenant_id uuid NOT NULL,
    -- SHA-256 of the token.
    token_hash bytea NOT NULL,
    session_id uuid NOT NULL,
    -- The successor is HMAC(token, salt): who repeats a request gets the same one, though only hashes are kept.
    salt bytea NOT NULL,
    issued_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    PRIMARY KEY (tenant_id, token_hash),
    FOREIGN KEY (tenant_id, session_id) REFERENCES sessions ON DELETE CASCADE
);
CREATE INDEX refresh_tokens_session ON refresh_tokens (tenant_id, session_id);
CREATE INDEX refresh_tokens_hash ON refresh_tokens (token_hash);
ALTER TABLE refresh_tokens ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
GRANT SELECT, INSERT, UPDATE ON refresh_tokens TO dojo_service;
CREATE POLICY tenant ON refresh_tokens TO dojo_service
    USING (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid)
    WITH CHECK (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid);
GRANT SELECT, DELETE ON refresh_tokens TO dojo_definer;
CREATE POLICY definer ON refresh_tokens TO dojo_definer USING (true);

CREATE TABLE invitations (
    tenant_id uuid NOT NULL REFERENCES tenants,
    invitation_id uuid NOT NULL DEFAULT gen_random_uuid(),
    email varchar(254) NOT NULL,
    role varchar(20) NOT NULL CHECK (role IN ('admin', 'host', 'member', 'guest')),
    token_hash bytea NOT NULL,
    invited_by uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    accepted_at timestamptz,
    revoked_at timestamptz,
    PRIMARY KEY (tenant_id, invitation_id),
    FOREIGN KEY (tenant_id, invited_by) REFERENCES users ON DELETE SET NULL (invited_by)
);
CREATE INDEX invitations_token ON invitations (token_hash);
CREATE INDEX invitations_created_at ON invitations (tenant_id, created_at, invitation_id);
ALTER TABLE invitations ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
GRANT SELECT, INSERT, UPDATE ON invitations TO dojo_service;
CREATE POLICY tenant ON invitations TO dojo_service
    USING (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid)
    WITH CHECK (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid);
GRANT SELECT, DELETE ON invitations TO dojo_definer;
CREATE POLICY definer ON invitations TO dojo_definer USING (true);

-- Outside OpenID providers whose people come in here.
CREATE TABLE issuers (
    tenant_id uuid NOT NULL REFERENCES tenants,
    issuer_id uuid NOT NULL DEFAULT gen_random_uuid(),
    issuer varchar(255) NOT NULL,
    client_id varchar(255) NOT NULL,
    -- The role of somebody who comes for the first time.
    default_role varchar(20) NOT NULL DEFAULT 'member' CHECK (default_role IN ('host', 'member', 'guest')),
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, issuer_id)
);
CREATE UNIQUE INDEX issuers_issuer ON issuers (issuer, client_id);
ALTER TABLE issuers ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
GRANT SELECT, INSERT, DELETE ON issuers TO dojo_service;
CREATE POLICY tenant ON issuers TO dojo_service
    USING (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid)
    WITH CHECK (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid);
GRANT SELECT, DELETE ON issuers TO dojo_definer;
CREATE POLICY definer ON issuers TO dojo_definer USING (true);

-- Who a person of an outside issuer is here. The issuer is named, not referenced: one that the operator configured has no row.
CREATE TABLE external_identities (
    tenant_id uuid NOT NULL,
    issuer varchar(255) NOT NULL,
    subject varchar(255) NOT NULL,
    user_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, issuer, subject),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users ON DELETE CASCADE
);
CREATE INDEX external_identities_user ON external_identities (tenant_id, user_id);
ALTER TABLE external_identities ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
GRANT SELECT, INSERT, DELETE ON external_identities TO dojo_service;
CREATE POLICY tenant ON external_identities TO dojo_service
    USING (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid)
    WITH CHECK (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid);
GRANT SELECT, DELETE ON external_identities TO dojo_definer;
CREATE POLICY definer ON external_identities TO dojo_definer USING (true);

-- Mails to be sent, written in the transaction that wants them sent. Their text holds tokens, so it is sealed.
CREATE TABLE mail_outbox (
    mail_id uuid PRIMARY KEY,
    sealed bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    due_at timestamptz NOT NULL DEFAULT now(),
    attempts int NOT NULL DEFAULT 0
);
CREATE INDEX mail_outbox_due_at ON mail_outbox (due_at);
ALTER TABLE mail_outbox ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
GRANT INSERT ON mail_outbox TO dojo_service;
CREATE POLICY service ON mail_outbox FOR INSERT TO dojo_service WITH CHECK (true);
GRANT SELECT, DELETE, UPDATE (due_at, attempts) ON mail_outbox TO dojo_worker;
CREATE POLICY worker ON mail_outbox TO dojo_worker USING (true) WITH CHECK (true);

-- Looking across tenants: each function takes what the caller must already know and returns ids only.

CREATE FUNCTION identity_by_email(wanted text) RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT i.identity_id FROM public.identities i WHERE i.email = wanted
$$;

CREATE FUNCTION identity_by_email_token(hash bytea, wanted text) RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT t.identity_id FROM public.email_tokens t WHERE t.token_hash = hash AND t.purpose = wanted
$$;

-- Where an identity is a user. Not where it was removed.
CREATE FUNCTION identity_users(identity uuid) RETURNS TABLE (tenant_id uuid, user_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT u.tenant_id, u.user_id FROM public.users u
    WHERE u.identity_id = identity AND u.status <> 'REMOVED' ORDER BY u.created_at, u.user_id
$$;

CREATE FUNCTION session_by_refresh_token(hash bytea) RETURNS TABLE (tenant_id uuid, session_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT r.tenant_id, r.session_id FROM public.refresh_tokens r WHERE r.token_hash = hash
$$;

CREATE FUNCTION invitation_by_token(hash bytea) RETURNS TABLE (tenant_id uuid, invitation_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT i.tenant_id, i.invitation_id FROM public.invitations i WHERE i.token_hash = hash
$$;

CREATE FUNCTION issuer_tenants(wanted text, client_ids text[]) RETURNS TABLE (tenant_id uuid, issuer_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT i.tenant_id, i.issuer_id FROM public.issuers i WHERE i.issuer = wanted AND i.client_id = ANY (client_ids)
$$;

-- Everything of a tenant ends, in whatever table carries a tenant_id, those of later migrations too; and so do the identities
-- that were nowhere else. Repeating it is harmless: a room that was still open may have been written once more.
GRANT SELECT (tenant_id), DELETE ON collab_base, collab_journal, collab_journal_history TO dojo_definer;
CREATE POLICY definer ON collab_base TO dojo_definer USING (true);
CREATE POLICY definer ON collab_journal TO dojo_definer USING (true);
CREATE POLICY definer ON collab_journal_history TO dojo_definer USING (true);

CREATE FUNCTION tenant_erase(tenant uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    orphans uuid[];
    named text;
BEGIN
    IF NOT EXISTS (SELECT FROM public.tenants t WHERE t.tenant_id = tenant AND t.status = 'ERASING') THEN
        RAISE EXCEPTION 'erasure of tenant % was not asked for', tenant USING ERRCODE = 'invalid_parameter_value';
    END IF;
    SELECT array_agg(u.identity_id) INTO orphans FROM public.users u
    WHERE u.tenant_id = tenant AND u.identity_id IS NOT NULL
      AND NOT EXISTS (SELECT FROM public.users o WHERE o.identity_id = u.identity_id AND o.tenant_id <> tenant);
    -- Cascades take what hangs on users; tenants comes last.
    FOR named IN
        SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
          AND c.relname NOT IN ('tenants', 'revocations')
        ORDER BY c.relname = 'users', c.relname
    LOOP
        EXECUTE format('DELETE FROM public.%I WHERE tenant_id = $1', named) USING tenant;
    END LOOP;
    DELETE FROM public.identities i WHERE i.identity_id = ANY (orphans);
    -- By then no node has anything of it in memory.
    DELETE FROM public.tenants t WHERE t.tenant_id = tenant AND t.updated_at < now() - interval '1 day';
END
$$;

-- What has served its time, of everybody; of the audit log what is older than `keep_audit`. Returns how many rows went.
CREATE FUNCTION prune_expired(keep_audit interval) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    total bigint := 0;
    went bigint;
BEGIN
    -- Longer than any access token lives.
    DELETE FROM public.revocations WHERE revoked_at < now() - interval '1 hour';
    GET DIAGNOSTICS went = ROW_COUNT; total := total + went;
    DELETE FROM public.used_tickets WHERE expires_at < now() - interval '1 hour';
    GET DIAGNOSTICS went = ROW_COUNT; total := total + went;
    DELETE FROM public.idempotency_keys WHERE created_at < now() - interval '24 hours';
    GET DIAGNOSTICS went = ROW_COUNT; total := total + went;
    DELETE FROM public.email_tokens WHERE expires_at < now() - interval '1 day';
    GET DIAGNOSTICS went = ROW_COUNT; total := total + went;
    -- A month longer than they can be used: whoever reads the list of sessions sees where one was signed in.
    DELETE FROM public.sessions WHERE expires_at < now() - interval '30 days';
    GET DIAGNOSTICS went = ROW_COUNT; total := total + went;
    -- They hold the addresses of people who never came.
    DELETE FROM public.invitations WHERE accepted_at IS NULL AND least(expires_at, revoked_at) < now() - interval '90 days';
    GET DIAGNOSTICS went = ROW_COUNT; total := total + went;
    DELETE FROM public.audit_log WHERE at < now() - keep_audit;
    GET DIAGNOSTICS went = ROW_COUNT; total := total + went;
    RETURN total;
END
$$;

GRANT CREATE ON SCHEMA public TO dojo_definer;
DO $owners$
DECLARE
    named text;
BEGIN
    FOREACH named IN ARRAY ARRAY[
        'identity_by_email(text)', 'identity_by_email_token(bytea, text)', 'identity_users(uuid)',
        'session_by_refresh_token(bytea)', 'invitation_by_token(bytea)', 'issuer_tenants(text, text[])',
        'tenant_erase(uuid)', 'prune_expired(interval)'
    ] LOOP
        EXECUTE format('ALTER FUNCTION %s OWNER TO dojo_definer', named);
    END LOOP;
END
$owners$;
REVOKE CREATE ON SCHEMA public FROM dojo_definer;
SET LOCAL ROLE dojo_definer;
REVOKE EXECUTE ON FUNCTION identity_by_email(text), identity_by_email_token(bytea, text), identity_users(uuid),
    session_by_refresh_token(bytea), invitation_by_token(bytea), issuer_tenants(text, text[]), tenant_erase(uuid), prune_expired(interval)
    FROM PUBLIC;
GRANT EXECUTE ON FUNCTION identity_by_email(text), identity_by_email_token(bytea, text), identity_users(uuid),
    session_by_refresh_token(bytea), invitation_by_token(bytea), issuer_tenants(text, text[]) TO dojo_service;
GRANT EXECUTE ON FUNCTION tenant_erase(uuid), prune_expired(interval) TO dojo_worker;
RESET ROLE;
