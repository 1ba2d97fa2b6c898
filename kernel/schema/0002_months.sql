-- Tables that are partitioned by month and end by month. One mechanism for all: a table whose partition key is a time, with a
-- default partition that takes what no month takes, so that nothing fails for want of one.

-- Drops the months of `parent` that lie wholly before `cutoff`: no row is touched, nothing is left to vacuum. Then makes the
-- partitions of this month, of the next three, and of whatever had to go to the default partition meanwhile, which moves.
-- Returns how many were made and dropped. For the tables' owner, in functions that name the table.
CREATE FUNCTION months_turn(parent regclass, cutoff timestamptz, OUT made int, OUT dropped int)
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp SET timezone = 'UTC'
-- Whoever comes after it waits behind it: rather fail than stop the service.
SET lock_timeout = '5s' AS $$
DECLARE
    months_ahead constant int := 3;
    this_month constant timestamptz := date_trunc('month', now());
    base text;
    key text;
    rest regclass;
    partition text;
    lower_bound timestamptz;
    months timestamptz[];
BEGIN
    IF cutoff > now() THEN
        RAISE EXCEPTION 'the cutoff % lies in the future', cutoff USING ERRCODE = 'invalid_parameter_value';
    END IF;
    SELECT c.relname, a.attname, p.partdefid::regclass INTO STRICT base, key, rest
    FROM pg_partitioned_table p JOIN pg_class c ON c.oid = p.partrelid
    JOIN pg_attribute a ON a.attrelid = p.partrelid AND a.attnum = p.partattrs[0]
    WHERE p.partrelid = parent;
    PERFORM pg_advisory_xact_lock(hashtextextended('months of ' || base, 0));

    dropped := 0;
    FOR partition IN
        SELECT child.relname FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid
        WHERE inhparent = parent AND child.relname ~ '_\d{6}$'
          AND to_timestamp(right(child.relname, 6), 'YYYYMM') + interval '1 month' <= cutoff
    LOOP
        EXECUTE format('DROP TABLE public.%I', partition);
        dropped := dropped + 1;
    END LOOP;
    EXECUTE format('DELETE FROM %s WHERE %I < $1', rest, key) USING date_trunc('month', cutoff);

    made := 0;
    EXECUTE format(
        'SELECT array_agg(m) FROM (SELECT generate_series($1, $1 + make_interval(months => $2), interval ''1 month'') AS m
         UNION SELECT date_trunc(''month'', %I) FROM %s WHERE %I < $1) AS wanted', key, rest, key)
        INTO months USING this_month, months_ahead;
    FOREACH lower_bound IN ARRAY months LOOP
        partition := base || '_' || to_char(lower_bound, 'YYYYMM');
        CONTINUE WHEN to_regclass('public.' || quote_ident(partition)) IS NOT NULL;
        EXECUTE format('CREATE TABLE public.%I (LIKE %s INCLUDING ALL)', partition, parent);
        -- The default partition must hold nothing of the new one's range, and get nothing until it is attached.
        EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', rest);
        EXECUTE format(
            'WITH moved AS (DELETE FROM %s WHERE %I >= $1 AND %I < $2 RETURNING *) INSERT INTO public.%I SELECT * FROM moved',
            rest, key, key, partition) USING lower_bound, lower_bound + interval '1 month';
        EXECUTE format('ALTER TABLE %s ATTACH PARTITION public.%I FOR VALUES FROM (%L) TO (%L)',
            parent, partition, lower_bound, lower_bound + interval '1 month');
        -- Addressed by its own name it has its own row-level security: with no policy, nobody but the owner enters.
        EXECUTE format('ALTER TABLE public.%I ENABLE ROW LEVEL SECURITY', partition);
        made := made + 1;
    END LOOP;
END
$$;
REVOKE EXECUTE ON FUNCTION months_turn(regclass, timestamptz) FROM PUBLIC;
