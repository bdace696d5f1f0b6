-- Students take courses: many to many.
CREATE TABLE student (
  id INT UNSIGNED NOT NULL PRIMARY KEY,
  name VARCHAR(80) NOT NULL,
  email VARCHAR(120) NOT NULL,
  languages SET('de', 'en', 'fr') NOT NULL DEFAULT ''
);

-- Codes are compared as bytes, as DynamoDB compares keys: with another collation an enrollment in "cs-101" would refer to
-- the course "CS-101", and its item to another.
CREATE TABLE course (
  code VARCHAR(10) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
  title VARCHAR(80) NOT NULL,
  syllabus JSON NULL,
  is_open BOOLEAN NOT NULL DEFAULT TRUE
);

CREATE TABLE enrollment (
  student_id INT UNSIGNED NOT NULL,
  course_code VARCHAR(10) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  status ENUM('waiting', 'enrolled', 'dropped') NOT NULL,
  requested_at DATETIME NOT NULL,
  grade DECIMAL(2, 1) NULL,
  PRIMARY KEY (student_id, course_code),
  FOREIGN KEY (student_id) REFERENCES student (id),
  FOREIGN KEY (course_code) REFERENCES course (code)
);

INSERT INTO student (id, name, email, languages) VALUES
  (1, 'Ada', 'ada@example.com', 'de,en'),
  (2, 'Ben', ' Ben@Example.com', 'en'),
  (3, 'Cleo', 'cleo@example.com', '');

INSERT INTO course (code, title, syllabus, is_open) VALUES
  ('CS-101', 'Algorithms', '{"weeks": 12, "topics": ["sorting", "graphs"]}', TRUE),
  ('MA-201', 'Linear algebra', NULL, TRUE),
  ('PH-301', 'Optics', NULL, FALSE);

INSERT INTO enrollment (student_id, course_code, status, requested_at) VALUES
  (1, 'CS-101', 'enrolled', '2026-03-01 09:00:00'),
  (1, 'MA-201', 'enrolled', '2026-03-01 09:05:00'),
  (2, 'CS-101', 'enrolled', '2026-03-01 10:00:00'),
  (2, 'PH-301', 'enrolled', '2026-03-01 10:05:00'),
  (3, 'CS-101', 'waiting', '2026-03-02 08:00:00'),
  (3, 'MA-201', 'dropped', '2026-03-02 08:10:00');
