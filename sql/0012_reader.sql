-- A role for those who read: `bigbrotr sql`, notebooks, dashboards.
--
-- It may SELECT from everything but the archive's secret, and write nothing.  No function here runs with the rights of its owner
-- (SECURITY DEFINER), so that whatever a reader calls can do what a reader can.  Roles belong to the whole server, and not everybody may
-- make one: then the archive works without, and `bigbrotr sql` says what to run.

-- Gives bigbrotr_reader what it needs, when it is there; false: it is not.  May be called again at any time.
CREATE FUNCTION reader_grants() RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  here constant text := quote_ident(current_schema());
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'bigbrotr_reader') THEN
    RETURN false;
  END IF;
  IF has_table_privilege('bigbrotr_reader', 'relays', 'SELECT') THEN
    RETURN true;
  END IF;
  EXECUTE format('GRANT USAGE ON SCHEMA %s TO bigbrotr_reader', here);
  EXECUTE format('GRANT SELECT ON ALL TABLES IN SCHEMA %s TO bigbrotr_reader', here);
  REVOKE SELECT ON archive FROM bigbrotr_reader;
  GRANT SELECT (one, made_at) ON archive TO bigbrotr_reader;
  -- What is made later: partitions, the relations of later migrations.
  EXECUTE format('ALTER DEFAULT PRIVILEGES IN SCHEMA %s GRANT SELECT ON TABLES TO bigbrotr_reader', here);
  RETURN true;
END $$;
COMMENT ON FUNCTION reader_grants IS 'Lets the role bigbrotr_reader read this archive, when there is such a role; returns whether there is.';

DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'bigbrotr_reader') THEN
    -- What is set here holds for sessions that log in as it, when a person allows that: ALTER ROLE bigbrotr_reader LOGIN PASSWORD '..'.
    CREATE ROLE bigbrotr_reader NOLOGIN;
    ALTER ROLE bigbrotr_reader SET default_transaction_read_only = on;
    ALTER ROLE bigbrotr_reader SET statement_timeout = '10min';
    ALTER ROLE bigbrotr_reader SET idle_in_transaction_session_timeout = '10min';
    COMMENT ON ROLE bigbrotr_reader IS 'Reads archives of bigbrotrd, writes nothing.';
  END IF;
EXCEPTION WHEN insufficient_privilege OR duplicate_object OR unique_violation THEN
  RAISE NOTICE 'no role bigbrotr_reader could be made: %', sqlerrm;
END $$;

-- Who made the role may, from PostgreSQL 16 on, give it to others and not use it.
DO $$
BEGIN
  GRANT bigbrotr_reader TO CURRENT_USER;
EXCEPTION WHEN insufficient_privilege OR undefined_object THEN
  RAISE NOTICE 'bigbrotr_reader was not given to %: %', current_user, sqlerrm;
END $$;
SELECT reader_grants();
