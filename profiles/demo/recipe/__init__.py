"""The recipe of the bundled pair: from hand-written facts to two trained and measured models."""
