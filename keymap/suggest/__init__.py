"""A first keymap from what a database says of itself: keys, foreign keys, indexes and types. Pure: facts in, YAML out.

The proposal is one DynamoDB table for all ("single-table design") with item collections along the foreign keys. Every
key is tried with keymap.check before it is proposed, so what comes out fits the tables that it was made for.
"""

from keymap.suggest.facts import Index as Index
from keymap.suggest.facts import Reference as Reference
from keymap.suggest.facts import TableFacts as TableFacts
from keymap.suggest.text import suggest as suggest
