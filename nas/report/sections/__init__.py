"""The sections of a report: their texts, tables and figures."""
