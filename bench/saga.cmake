skald_cc_benchmark(NAME decide_benchmark SRCS decide_benchmark.cc order_saga.cc DEPS skald::saga skald::definition)
