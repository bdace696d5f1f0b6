"""The binlog's bytes as facts: events, table maps, rows. Pure: no sockets, no clock, no log."""
