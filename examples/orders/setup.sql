-- Customers, their orders, and the orders' lines. No foreign keys: as in many a shop, the application sees to them.
CREATE TABLE customer (
  customer_id INT UNSIGNED NOT NULL PRIMARY KEY,
  name VARCHAR(80) NOT NULL,
  vip BOOLEAN NOT NULL DEFAULT FALSE,
  address JSON NULL
);

CREATE TABLE orders (
  order_id BIGINT UNSIGNED NOT NULL PRIMARY KEY,
  number INT UNSIGNED NOT NULL UNIQUE,  -- what the customer knows the order by
  customer_id INT UNSIGNED NOT NULL,
  status ENUM('new', 'paid', 'sent') NOT NULL,
  placed_at DATETIME NOT NULL,
  total DECIMAL(10, 2) NOT NULL,
  internal_note VARCHAR(200) NULL
);

CREATE TABLE order_line (
  order_id BIGINT UNSIGNED NOT NULL,
  line_no SMALLINT UNSIGNED NOT NULL,
  customer_id INT UNSIGNED NOT NULL,    -- as in orders: whose partition the line is in must be told by the line
  sku VARCHAR(20) NOT NULL,
  quantity INT UNSIGNED NOT NULL,       -- 0: taken out of the basket again
  price DECIMAL(10, 2) NOT NULL,
  gift BOOLEAN NOT NULL DEFAULT FALSE,
  PRIMARY KEY (order_id, line_no)
);

INSERT INTO customer (customer_id, name, vip, address) VALUES
  (1, 'Ada', TRUE, '{"city": "Bern", "zip": "3011"}'),
  (2, 'Ben', FALSE, NULL),
  (3, 'Cleo', FALSE, NULL);

INSERT INTO orders (order_id, number, customer_id, status, placed_at, total, internal_note) VALUES
  (10, 7000, 3, 'sent', '2026-02-28 16:00:00', 5.00, NULL),
  (11, 7001, 1, 'new', '2026-03-01 10:00:00', 30.00, NULL),
  (12, 7002, 1, 'sent', '2026-03-02 11:00:00', 9.90, 'left at the door'),
  (13, 7003, 2, 'paid', '2026-03-02 12:30:00', 25.00, NULL),
  (14, 7004, 3, 'new', '2026-03-03 08:00:00', 5.00, NULL);

INSERT INTO order_line (order_id, line_no, customer_id, sku, quantity, price, gift) VALUES
  (10, 1, 3, 'CUP', 1, 5.00, FALSE),
  (11, 1, 1, 'TEA', 2, 7.50, FALSE), (11, 2, 1, 'BOX', 1, 15.00, TRUE), (11, 3, 1, 'POT', 0, 40.00, FALSE),
  (12, 1, 1, 'TEA', 1, 9.90, FALSE),
  (13, 1, 2, 'POT', 1, 25.00, FALSE),
  (14, 1, 3, 'CUP', 1, 5.00, FALSE);
