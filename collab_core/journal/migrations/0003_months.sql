-- The history's months are turned by the worker, with what all tables of months share.

DROP FUNCTION collab_history_prepare(int), collab_history_drop_before(timestamptz);

-- The tables' owner makes and drops partitions; whoever may call this can do that and nothing else.
CREATE FUNCTION collab_history_turn(cutoff timestamptz, OUT made int, OUT dropped int)
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT t.made, t.dropped FROM public.months_turn('public.collab_journal_history', cutoff) t
$$;
REVOKE EXECUTE ON FUNCTION collab_history_turn(timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION collab_history_turn(timestamptz) TO dojo_worker;
