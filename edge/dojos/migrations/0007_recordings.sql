-- Recordings of voice lie in the store of blobs under the numbers of those who speak in them.

-- The numbers of people who were removed from their company, not longer than `since` ago; null: whenever it was. They stay in
-- the table, so that nobody else gets one and that a file which comes late is known.
CREATE FUNCTION dojo_voice_removed(since interval)
RETURNS TABLE (tenant_id uuid, dojo_id uuid, number bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT v.tenant_id, v.dojo_id, v.number
    FROM public.users u JOIN public.dojo_voice_people v ON v.tenant_id = u.tenant_id AND v.user_id = u.user_id
    WHERE u.status = 'REMOVED' AND (since IS NULL OR u.updated_at > now() - since)
$$;
CREATE INDEX users_removed ON users (updated_at) WHERE status = 'REMOVED';
CREATE INDEX dojo_voice_people_user ON dojo_voice_people (tenant_id, user_id);

GRANT CREATE ON SCHEMA public TO dojo_definer;
ALTER FUNCTION dojo_voice_removed(interval) OWNER TO dojo_definer;
REVOKE CREATE ON SCHEMA public FROM dojo_definer;
SET LOCAL ROLE dojo_definer;
REVOKE EXECUTE ON FUNCTION dojo_voice_removed(interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION dojo_voice_removed(interval) TO dojo_worker;
RESET ROLE;
