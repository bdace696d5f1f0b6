"""The live read side: the binlog as ordered, packed, acknowledged changes on the stream."""
