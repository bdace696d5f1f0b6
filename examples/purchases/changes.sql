-- Order 101: another quantity, another product.
UPDATE purchase SET quantity = 5 WHERE customerid = 1 AND orderid = 101 AND productid = 7;
INSERT INTO purchase (customerid, orderid, productid, quantity) VALUES (1, 101, 12, 1);

-- One product leaves the basket, one comes back.
UPDATE purchase SET quantity = 0 WHERE customerid = 1 AND orderid = 101 AND productid = 8;
UPDATE purchase SET quantity = 2 WHERE customerid = 1 AND orderid = 101 AND productid = 9;

-- The only row of order 102 goes, and its item with it.
DELETE FROM purchase WHERE customerid = 1 AND orderid = 102;

-- Product 12 is replaced by 13: the attribute gets another name.
UPDATE purchase SET productid = 13 WHERE customerid = 2 AND orderid = 201 AND productid = 12;

-- Order 202 is put into order 201: one product moves, the other is added to what is there.
START TRANSACTION;
UPDATE purchase SET orderid = 201 WHERE customerid = 2 AND orderid = 202 AND productid = 8;
INSERT INTO purchase (customerid, orderid, productid, quantity) VALUES (2, 201, 7, 6)
  ON DUPLICATE KEY UPDATE quantity = quantity + 6;
DELETE FROM purchase WHERE customerid = 2 AND orderid = 202;
COMMIT;

-- Products 7 and 13 of order 201 were mistaken for each other.
START TRANSACTION;
UPDATE purchase SET productid = 0 WHERE customerid = 2 AND orderid = 201 AND productid = 7;
UPDATE purchase SET productid = 7 WHERE customerid = 2 AND orderid = 201 AND productid = 13;
UPDATE purchase SET productid = 13 WHERE customerid = 2 AND orderid = 201 AND productid = 0;
COMMIT;

-- Customer 3 is the same person as customer 1.
UPDATE purchase SET customerid = 1 WHERE customerid = 3;

-- Deleted, and bought again.
DELETE FROM purchase WHERE customerid = 1 AND orderid = 302;
INSERT INTO purchase (customerid, orderid, productid, quantity) VALUES (1, 302, 9, 1);

-- A new customer: one order, and a basket that holds nothing.
INSERT INTO purchase (customerid, orderid, productid, quantity) VALUES (4, 401, 7, 1), (4, 401, 8, 2), (4, 402, 7, 0);

-- What is rolled back was never there.
START TRANSACTION;
DELETE FROM purchase WHERE customerid = 1;
ROLLBACK;
