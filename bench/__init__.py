"""The benchmarks: each module measures one promise, and says with --help how."""
