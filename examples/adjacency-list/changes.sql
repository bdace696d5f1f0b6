-- A new student puts herself on a waiting list.
START TRANSACTION;
INSERT INTO student (id, name, email, languages) VALUES (4, 'Dora', 'dora@example.com', 'fr');
INSERT INTO enrollment (student_id, course_code, status, requested_at) VALUES (4, 'CS-101', 'waiting', '2026-03-03 09:00:00');
COMMIT;

-- Ben gives up his seat, and Cleo, who is first in the list, gets it.
START TRANSACTION;
UPDATE enrollment SET status = 'dropped' WHERE student_id = 2 AND course_code = 'CS-101';
UPDATE enrollment SET status = 'enrolled' WHERE student_id = 3 AND course_code = 'CS-101';
COMMIT;

-- Cleo comes back to a course that she had dropped; Dora waits from another moment on.
UPDATE enrollment SET status = 'waiting', requested_at = '2026-03-04 07:30:00' WHERE student_id = 3 AND course_code = 'MA-201';
UPDATE enrollment SET requested_at = '2026-03-05 12:00:00' WHERE student_id = 4 AND course_code = 'CS-101';

-- A course gets another code: a new node, and all its edges move.
START TRANSACTION;
INSERT INTO course (code, title, syllabus, is_open) SELECT 'MA-210', title, syllabus, is_open FROM course WHERE code = 'MA-201';
UPDATE enrollment SET course_code = 'MA-210' WHERE course_code = 'MA-201';
DELETE FROM course WHERE code = 'MA-201';
COMMIT;

-- A course is given up, with all its edges.
START TRANSACTION;
DELETE FROM enrollment WHERE course_code = 'PH-301';
DELETE FROM course WHERE code = 'PH-301';
COMMIT;

-- Changes that touch no key of the table, though one of an index.
UPDATE student SET email = 'BEN@work.example', languages = 'en,fr' WHERE id = 2;
UPDATE course SET is_open = FALSE, syllabus = '{"weeks": 13, "topics": ["sorting"]}' WHERE code = 'CS-101';
UPDATE enrollment SET grade = 1.3 WHERE student_id = 1 AND course_code = 'CS-101';
