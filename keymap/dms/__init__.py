"""Table mappings of AWS DMS, read, and said again as a keymap. Text to text: no database and no service is asked.

`reading` makes `rules` of the file, `index` finds those about a table, `selection` says which tables they mean;
`expressions`, `filters` and `names` translate the parts of a rule; `tables` and `columns` put a table's `drafts`
together, `convert` conducts, and `printing` writes the keymap. What has no place in the language of keymaps is never
dropped in silence: it is one of the `remarks`, with the rule's id, the reason and the remedy.

Source of the format: the DMS user guide ("Selection rules and actions", "Transformation rules and actions", "Using
source filters", "Wildcards in table mapping", "Using object mapping to migrate data to DynamoDB").
"""
