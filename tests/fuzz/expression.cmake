skald_cc_fuzzer(NAME expression_fuzzer SRCS expression_fuzzer.cc DEPS skald::expression
  CORPUS ${CMAKE_CURRENT_SOURCE_DIR}/corpus/expression)
