"""Many runs: suites, evaluation, learning curves."""
