-- The demo's source: the classic `purchase` table, whose rows become attributes of one item, and orders of varied types.
CREATE TABLE purchase (
  customerid INT UNSIGNED NOT NULL,
  orderid INT UNSIGNED NOT NULL,
  productid INT UNSIGNED NOT NULL,
  quantity INT NOT NULL,
  PRIMARY KEY (customerid, orderid, productid)
) ENGINE=InnoDB;

CREATE TABLE customer (
  id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  email VARCHAR(120) CHARACTER SET utf8mb4 NOT NULL,
  city VARCHAR(60) CHARACTER SET latin1 NULL,
  vip BOOLEAN NOT NULL DEFAULT FALSE,
  token BINARY(8) NOT NULL,
  registered DATE NOT NULL
) ENGINE=InnoDB;

CREATE TABLE orders (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  customer_id INT UNSIGNED NOT NULL,
  status ENUM('draft', 'paid', 'sent', 'returned') CHARACTER SET utf8mb4 NOT NULL,
  total DECIMAL(12, 2) NOT NULL,
  weight FLOAT NULL,
  discount DOUBLE NULL,
  labels SET('gift', 'express', 'fragile') CHARACTER SET utf8mb4 NOT NULL DEFAULT '',
  flags BIT(5) NOT NULL DEFAULT b'0',
  note TEXT CHARACTER SET utf8mb4 NULL,
  details JSON NULL,
  placed_at DATETIME(3) NOT NULL,
  changed_at TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6),
  pickup TIME NULL,
  season YEAR NULL,
  signature VARBINARY(32) NULL
) ENGINE=InnoDB
