skald_cc_benchmark(NAME expression_benchmark SRCS expression_benchmark.cc DEPS skald::expression)
