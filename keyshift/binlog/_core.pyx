# cython: language_level=3
cdef class CompiledRows:
    cdef readonly tuple names

    def __init__(self, fields):
        self.names = tuple([field.name for field in fields])
