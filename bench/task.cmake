skald_cc_benchmark(NAME broker_benchmark SRCS broker_benchmark.cc DEPS skald::task)
