-- Ben orders.
START TRANSACTION;
INSERT INTO orders (order_id, number, customer_id, status, placed_at, total) VALUES
  (15, 7005, 2, 'new', '2026-03-04 09:00:00', 22.50);
INSERT INTO order_line (order_id, line_no, customer_id, sku, quantity, price) VALUES (15, 1, 2, 'TEA', 3, 7.50);
COMMIT;

-- Order 11 is changed and paid: more of one line, one line leaves the basket, one comes back.
START TRANSACTION;
UPDATE order_line SET quantity = 3 WHERE order_id = 11 AND line_no = 1;
UPDATE order_line SET quantity = 0 WHERE order_id = 11 AND line_no = 2;
UPDATE order_line SET quantity = 1 WHERE order_id = 11 AND line_no = 3;
UPDATE orders SET total = 62.50, status = 'paid' WHERE order_id = 11;
COMMIT;

-- The line of order 13 gets another number, so that another line can stand before it.
START TRANSACTION;
UPDATE order_line SET line_no = 2 WHERE order_id = 13 AND line_no = 1;
INSERT INTO order_line (order_id, line_no, customer_id, sku, quantity, price, gift) VALUES (13, 1, 2, 'TEA', 1, 7.50, TRUE);
UPDATE orders SET total = 32.50 WHERE order_id = 13;
COMMIT;

-- Order 13 was Cleo's: it moves to her partition, with its lines.
START TRANSACTION;
UPDATE orders SET customer_id = 3 WHERE order_id = 13;
UPDATE order_line SET customer_id = 3 WHERE order_id = 13;
COMMIT;

-- Orders 11 and 13 got each other's number.
START TRANSACTION;
UPDATE orders SET number = 0 WHERE order_id = 11;
UPDATE orders SET number = 7001 WHERE order_id = 13;
UPDATE orders SET number = 7003 WHERE order_id = 11;
COMMIT;

-- An order goes with its lines.
START TRANSACTION;
DELETE FROM order_line WHERE order_id = 14;
DELETE FROM orders WHERE order_id = 14;
COMMIT;

-- Number 7004 is free again: 7006 becomes 7005 and 7005 becomes 7004, in one statement.
INSERT INTO orders (order_id, number, customer_id, status, placed_at, total) VALUES
  (16, 7006, 3, 'new', '2026-03-05 18:00:00', 0.00);
UPDATE orders SET number = number - 1 WHERE number > 7004 ORDER BY number;

-- An order goes, and its line is forgotten. Another order gets its number.
DELETE FROM orders WHERE order_id = 12;
UPDATE orders SET number = 7002 WHERE order_id = 15;

-- An order loses its only line.
START TRANSACTION;
DELETE FROM order_line WHERE order_id = 10;
UPDATE orders SET total = 0.00, internal_note = 'given back' WHERE order_id = 10;
COMMIT;

-- Customers: one moves house, one leaves, and his order stays.
UPDATE customer SET vip = FALSE, address = '{"city": "Basel", "zip": "4051"}' WHERE customer_id = 1;
DELETE FROM customer WHERE customer_id = 2;
