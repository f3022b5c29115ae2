skald_cc_benchmark(NAME append_benchmark SRCS append_benchmark.cc DEPS skald::data_directory)
