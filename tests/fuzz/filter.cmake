skald_cc_fuzzer(NAME filter_fuzzer SRCS filter_fuzzer.cc ${CMAKE_SOURCE_DIR}/tests/support/memory_models.cc
  DEPS skald::query CORPUS ${CMAKE_CURRENT_SOURCE_DIR}/corpus/filter)
