skald_cc_benchmark(NAME json_benchmark SRCS json_benchmark.cc DEPS skald::base)
