"""Edge values of every type: the column, an SQL expression to insert, and the canonical value of it."""

from decimal import Decimal

from keymap.values import Canonical, Json

Case = tuple[str, str, Canonical]

# Where the binlog library and SELECT were found to disagree (mysql-replication 1.0.17), each once.
TRAPS: list[Case] = [
    ("bigint unsigned", "18446744073709551615", 2**64 - 1),
    ("decimal(65,30)", "-0.000000000000000000000000000001", Decimal("-0.000000000000000000000000000001")),
    ("double", "4.9406564584124654e-324", Decimal("5e-324")),
    ("float", "0.1", Decimal("0.1")),
    ("float", "16777217", Decimal(16777216)),
    ("float unsigned zerofill", "1.5", Decimal("1.5")),
    ("double(10,2) zerofill", "1.005", Decimal("1.0")),
    ("decimal(10,2) zerofill", "1.5", Decimal("1.50")),
    ("bit(9)", "b'100000001'", 257),
    ("bit(64)", "1", 1),
    ("year", "0", 0),
    ("date", "'2024-02-29'", "2024-02-29"),
    ("date", "'0000-00-00'", "0000-00-00"),
    ("date", "'2024-00-00'", "2024-00-00"),
    ("date", "'2024-02-31'", "2024-02-31"),
    ("datetime(6)", "'0000-00-00 00:00:00'", "0000-00-00T00:00:00.000000"),
    ("datetime(3)", "'2024-00-00 01:02:03.004'", "2024-00-00T01:02:03.004"),
    ("datetime", "'2024-02-31 23:59:59'", "2024-02-31T23:59:59"),
    ("timestamp NULL", "'2024-01-01 05:30:00'", "2024-01-01T00:00:00Z"),  # the session is at +05:30
    ("timestamp(6) NULL", "'2024-07-01 05:30:00.000001'", "2024-07-01T00:00:00.000001Z"),
    ("timestamp NULL", "'0000-00-00 00:00:00'", "0000-00-00T00:00:00Z"),
    ("timestamp(2) NULL", "0", "0000-00-00T00:00:00.00Z"),
    ("time", "'-838:59:59'", "-838:59:59"),
    ("time(3)", "'-01:02:03.004'", "-01:02:03.004"),
    ("time(6)", "'-00:00:00.000001'", "-00:00:00.000001"),
    ("time(1)", "'-01:00:00.9'", "-01:00:00.9"),
    ("char(5)", "'ab  '", "ab"),
    ("varchar(5)", "'ab  '", "ab  "),
    ("varchar(20) CHARACTER SET latin1", "_latin1 x'80818D8F909DFF'", "€\x81\x8d\x8f\x90\x9dÿ"),
    ("varchar(20) CHARACTER SET ucs2", "'aé日'", "aé日"),
    ("varchar(20) CHARACTER SET utf16", "'aé日😀'", "aé日😀"),
    ("varchar(20) CHARACTER SET utf16le", "'aé日😀'", "aé日😀"),
    ("char(20) CHARACTER SET utf32", "'aé日😀'", "aé日😀"),
    ("varchar(20) CHARACTER SET sjis", "_sjis x'815F5C'", "\\\\"),
    ("binary(8)", "x'00FF000000000000'", b"\x00\xff\0\0\0\0\0\0"),
    ("binary(4)", "x'00000000'", b"\0\0\0\0"),
    ("binary(3)", "'a'", b"a\0\0"),
    ("varbinary(9)", "''", b""),
    ("varbinary(9)", "x'FF0000'", b"\xff\0\0"),
    ("blob", "''", b""),
    ("enum('a','ü') CHARACTER SET utf8mb4", "''", ""),
    ("enum('é','€') CHARACTER SET latin1", "'€'", "€"),
    ("enum('日','é') CHARACTER SET utf16", "'é'", "é"),
    ("enum('日','本') CHARACTER SET sjis", "'本'", "本"),
    (r"enum('a\\b','it''s','l\nf','c,d','','%s') CHARACTER SET utf8mb4", r"'l\nf'", "l\nf"),
    ("enum('a','b') CHARACTER SET binary", "'b'", "b"),
    ("set('c','b','a')", "'a,c'", ("c", "a")),
    ("set('c','b','a')", "''", ()),
    ("set('é','ß') CHARACTER SET latin1", "'ß,é'", ("é", "ß")),
    ("set('日','é') CHARACTER SET utf32", "'é'", ("é",)),
    ("enum('a','😀') CHARACTER SET utf8mb4", "2", "😀"),  # information_schema shows the label as ?
    ("set('é','😀') CHARACTER SET utf16", "3", ("é", "😀")),
    ("geometry", "ST_GeomFromText('POINT(1 2)')", bytes.fromhex("000000000101000000000000000000F03F0000000000000040")),
]

MARIADB: list[Case] = [
    ("uuid", "'6CCD780C-BABA-1026-9564-5B8C65602400'", "6ccd780c-baba-1026-9564-5b8c65602400"),
    ("uuid", "'00000000-0000-0000-0000-000000000000'", "00000000-0000-0000-0000-000000000000"),
    ("uuid", "'ffffffff-ffff-7fff-bfff-ffffff000000'", "ffffffff-ffff-7fff-bfff-ffffff000000"),
    ("uuid", "'00000000-0000-4000-8000-000000000001'", "00000000-0000-4000-8000-000000000001"),
    ("inet6", "'::'", "::"),
    ("inet6", "'::1'", "::1"),
    ("inet6", "'fe80::'", "fe80::"),
    ("inet6", "'1:0:0:2:0:0:0:3'", "1:0:0:2::3"),
    ("inet6", "'::ffff:1.2.3.4'", "::ffff:1.2.3.4"),
    ("inet6", "'::1.2.3.0'", "::1.2.3.0"),
    ("varchar(300) COMPRESSED", "''", ""),
    ("varchar(300) COMPRESSED", "'short'", "short"),
    ("varchar(300) COMPRESSED", "REPEAT('é', 300)", "é" * 300),
    ("varchar(99) COMPRESSED CHARACTER SET latin1", "REPEAT('é', 99)", "é" * 99),
    ("varchar(300) COMPRESSED CHARACTER SET utf16", "REPEAT('日', 300)", "日" * 300),
    ("varbinary(300) COMPRESSED", "REPEAT(x'00FF', 150)", b"\0\xff" * 150),
    ("tinytext COMPRESSED", "REPEAT('ab', 100)", "ab" * 100),
    ("text COMPRESSED", "'short'", "short"),
    ("mediumtext COMPRESSED", "REPEAT('abc', 30000)", "abc" * 30000),
    ("longblob COMPRESSED", "REPEAT(x'00FF41', 100000)", b"\0\xffA" * 100000),
    ("blob COMPRESSED", "''", b""),
    ("json", """'{"b": 1.50, "a":null}'""", '{"b": 1.50, "a":null}'),  # kept as it was written
]

MYSQL: list[Case] = [
    ("set('','b')", "1", ("",)),  # not the empty set, though both are printed as ''
    ("set('','b')", "3", ("", "b")),
    ("set('','b')", "0", ()),
    ("vector(3)", "STRING_TO_VECTOR('[1,-2.5,0]')", bytes.fromhex("0000803f000020c000000000")),
    ("vector", "STRING_TO_VECTOR('[0]')", b"\0\0\0\0"),
    ("varchar(20) CHARACTER SET gb18030", "_gb18030 x'A8BC8135F43781308130'", "ḿ\ue7c7\x80"),
    ("json", "NULL", None),
    ("json", "'null'", Json("null")),
    ("json", "'1.50'", Json("1.5")),
    ("json", "'18446744073709551615'", Json("18446744073709551615")),
    ("json", """'{"b": [1, -0.0, 1e2, true], "a": "ä"}'""", Json('{"a":"ä","b":[1,0,100,true]}')),
    ("json", "JSON_ARRAY(CAST('2024-02-29' AS DATE))", Json('["2024-02-29"]')),
    ("json", "JSON_ARRAY(CAST('-838:59:59' AS TIME))", Json('["-838:59:59.000000"]')),
    ("json", "JSON_ARRAY(CAST('abc' AS BINARY), b'101')", Json('["base64:type15:YWJj","base64:type15:BQ=="]')),
]

NEWER_MARIADB: list[Case] = [
    ("uuid", "'6ccd780c-baba-7026-9564-5b8c65602400'", "6ccd780c-baba-7026-9564-5b8c65602400"),
    ("uuid", "'6ccd780c-baba-1026-9564-5b8c65602400'", "6ccd780c-baba-1026-9564-5b8c65602400"),
    ("inet4", "'1.2.3.0'", "1.2.3.0"),
    ("inet4", "'0.0.0.0'", "0.0.0.0"),
    ("inet4", "'255.255.255.255'", "255.255.255.255"),
    ("inet6", "'::ffff:1.2.3.4'", "::ffff:1.2.3.4"),
    ("timestamp NULL", "'2106-02-07 11:58:15'", "2106-02-07T06:28:15Z"),  # the session is at +05:30
    ("timestamp(6) NULL", "'2038-01-19 08:44:08.000001'", "2038-01-19T03:14:08.000001Z"),
    ("vector(3)", "VEC_FromText('[1,-2.5,0]')", bytes.fromhex("0000803f000020c000000000")),
    ("varchar(20) COLLATE utf8mb4_uca1400_ai_ci", "'aé日😀'", "aé日😀"),
    ("varchar(20) COLLATE utf8mb3_uca1400_swedish_nopad_as_cs", "'aé日'", "aé日"),
    ("varchar(20) COLLATE ucs2_uca1400_ai_ci", "'aé日'", "aé日"),
    ("char(20) COLLATE utf16_uca1400_as_cs", "'aé日😀'", "aé日😀"),
    ("text COLLATE utf32_uca1400_german2_ai_cs", "'aé日😀'", "aé日😀"),
    ("enum('é','日') COLLATE ucs2_uca1400_ai_ci", "'日'", "日"),
    ("varchar(300) COMPRESSED", "REPEAT('é', 300)", "é" * 300),
]
