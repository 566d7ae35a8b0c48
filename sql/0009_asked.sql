-- How far each relay was read that is asked directly for events which the archive does not take, only for the relays they mention.
CREATE TABLE relay_asked (
  relay_id int4 PRIMARY KEY REFERENCES relays ON DELETE CASCADE,
  lo int8 NOT NULL,
  hi int8 NOT NULL,
  asked_at_ms int8 NOT NULL
);
COMMENT ON TABLE relay_asked IS 'Where reading stands at relays that are asked for relay lists although the archive does not take these: the mentions in what lies from lo to hi are counted.';
COMMENT ON COLUMN relay_asked.lo IS 'The oldest second (created_at) that was read; 0: nothing is left below.';
COMMENT ON COLUMN relay_asked.hi IS 'The newest second (created_at) that was read; 0: there was nothing.';
