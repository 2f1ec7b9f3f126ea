"""The parts a screen is made of; none of them knows the engine."""
