-- Who bought how much of what: a row for each product of an order.
CREATE TABLE purchase (
  customerid INT UNSIGNED NOT NULL,
  orderid INT UNSIGNED NOT NULL,
  productid INT UNSIGNED NOT NULL,
  quantity INT UNSIGNED NOT NULL,  -- 0: taken out of the basket again
  PRIMARY KEY (customerid, orderid, productid)
);

INSERT INTO purchase (customerid, orderid, productid, quantity) VALUES
  (1, 101, 7, 3), (1, 101, 8, 1), (1, 101, 9, 0),
  (1, 102, 7, 10),
  (2, 201, 7, 1), (2, 201, 12, 2),
  (2, 202, 8, 5), (2, 202, 9, 6),
  (3, 301, 12, 4),
  (3, 302, 9, 2);
