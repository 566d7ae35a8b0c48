-- What relays sent that is not archived: counted, never kept one by one, since an attacker has as many as he likes.

CREATE TABLE reject_count (
  relay_id int4 NOT NULL REFERENCES relays ON DELETE CASCADE,
  reason text NOT NULL CHECK (octet_length(reason) <= 64),
  events int8 NOT NULL,
  first_at int8 NOT NULL DEFAULT extract(epoch FROM now())::int8,
  last_at int8 NOT NULL DEFAULT extract(epoch FROM now())::int8,
  PRIMARY KEY (relay_id, reason)
) WITH (fillfactor = 50);
COMMENT ON TABLE reject_count IS 'How many events of a relay were refused, by reason. People read the view relay_reject.';
COMMENT ON COLUMN reject_count.events IS 'Each time one came, again or not; written a moment after the page, so a crash may forget the last.';

CREATE VIEW relay_reject AS
  SELECT r.url AS relay_url, c.reason, c.events, c.first_at, c.last_at FROM reject_count c JOIN relays r USING (relay_id);
COMMENT ON VIEW relay_reject IS 'Events that relays sent and the archive refused, by relay and reason; those the database refused stand in event_reject as they came.';
