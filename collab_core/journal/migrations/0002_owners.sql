-- Whose structs a room's base holds, as collab_core/owners.py packs it. Rows that are not folded carry their authors.

-- The role that erases tenants reaches every table with a tenant_id. It may not be there yet, see 0001.
DO $roles$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'dojo_definer') THEN
        CREATE ROLE dojo_definer NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;
END
$roles$;

CREATE TABLE collab_owners (
    tenant_id uuid NOT NULL,
    room text NOT NULL,
    owners bytea NOT NULL,
    PRIMARY KEY (tenant_id, room)
);
ALTER TABLE collab_owners ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

GRANT SELECT, INSERT, UPDATE ON collab_owners TO dojo_service;
CREATE POLICY tenant ON collab_owners TO dojo_service
    USING (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid)
    WITH CHECK (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid);

GRANT SELECT (tenant_id), DELETE ON collab_owners TO dojo_definer;
CREATE POLICY definer ON collab_owners TO dojo_definer USING (true);
