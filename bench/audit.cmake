if(TARGET skald_audit)
  skald_cc_benchmark(NAME audit_benchmark SRCS audit_benchmark.cc DEPS skald::audit skald::storage_memory)
endif()
