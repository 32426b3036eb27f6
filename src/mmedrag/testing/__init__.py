"""What tests of stages stand on, for stages of this package and of others."""
