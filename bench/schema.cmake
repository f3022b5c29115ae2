skald_cc_benchmark(NAME schema_benchmark SRCS schema_benchmark.cc DEPS skald::schema)
