SET time_zone = '+00:00';

-- Two devices report.
START TRANSACTION;
INSERT INTO reading (id, device, taken_at, celsius, keep_until, frame) VALUES
  (9, 'pump-1', '2026-03-02 00:00:02.000', 21.00, '2026-06-02', x'03');
INSERT INTO reading (id, device, taken_at, celsius, battery_low, state) VALUES
  (10, 'pump-2', '2026-03-02 12:00:04.000', -5.00, TRUE, 'alarm');
COMMIT;

-- The clock of pump-2 was a day behind: both keys of all its readings change.
UPDATE reading SET taken_at = taken_at + INTERVAL 1 DAY WHERE device = 'pump-2' AND taken_at < '2026-03-02';

-- One reading is accepted after all, another is rejected.
UPDATE reading SET state = 'ok' WHERE id = 4;
UPDATE reading SET state = 'rejected' WHERE id = 2;

-- One alarm was none, and need not be kept; one reading was an alarm, and is kept for ever.
UPDATE reading SET state = 'ok', keep_until = '2026-06-02' WHERE id = 3;
UPDATE reading SET state = 'alarm', keep_until = NULL WHERE id = 1;

-- A value is corrected, and its frame found.
UPDATE reading SET celsius = 41.50, frame = x'0A0B' WHERE id = 6;

-- Other keys: another id is in another shard, another device in other partitions of table and index.
UPDATE reading SET id = 20 WHERE id = 8;
UPDATE reading SET device = 'pump-3' WHERE id = 7;

DELETE FROM reading WHERE id = 5;

-- Come and gone within one transaction.
START TRANSACTION;
INSERT INTO reading (id, device, taken_at, celsius) VALUES (11, 'pump-9', '2026-03-02 13:00:00.000', 0.00);
UPDATE reading SET celsius = 1.00 WHERE id = 11;
DELETE FROM reading WHERE id = 11;
COMMIT;
