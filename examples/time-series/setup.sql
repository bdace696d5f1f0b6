-- What devices measure.
SET time_zone = '+00:00';
CREATE TABLE reading (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  device VARCHAR(20) NOT NULL,
  taken_at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  celsius DECIMAL(5, 2) NOT NULL,
  battery_low BOOLEAN NOT NULL DEFAULT FALSE,
  state ENUM('ok', 'alarm', 'rejected') NOT NULL DEFAULT 'ok',
  keep_until DATE NULL,     -- NULL: for ever
  frame VARBINARY(8) NULL   -- as it came over the air
);

INSERT INTO reading (id, device, taken_at, celsius, battery_low, state, keep_until, frame) VALUES
  (1, 'pump-1', '2026-03-01 23:59:58.250', 20.50, FALSE, 'ok', '2026-06-01', x'01FF'),
  (2, 'pump-1', '2026-03-01 23:59:59.500', 20.75, FALSE, 'ok', '2026-06-01', NULL),
  (3, 'pump-1', '2026-03-02 00:00:00.000', 85.00, FALSE, 'alarm', NULL, NULL),
  (4, 'pump-1', '2026-03-02 00:00:01.125', 20.90, FALSE, 'rejected', '2026-06-01', NULL),
  (5, 'pump-2', '2026-03-01 12:00:00.000', -4.00, FALSE, 'ok', '2026-06-01', x'02'),
  (6, 'pump-2', '2026-03-01 12:00:01.000', 41.25, FALSE, 'alarm', NULL, NULL),
  (7, 'pump-2', '2026-03-01 12:00:02.000', -4.50, TRUE, 'ok', '2026-06-01', NULL),
  (8, 'pump-2', '2026-03-01 12:00:03.000', -4.50, TRUE, 'ok', '2026-06-01', NULL);
