skald_cc_benchmark(NAME decide_benchmark SRCS decide_benchmark.cc DEPS skald::saga skald::definition)
