skald_cc_fuzzer(NAME declaration_fuzzer SRCS declaration_fuzzer.cc DEPS skald::projection
  CORPUS ${CMAKE_CURRENT_SOURCE_DIR}/corpus/declaration)
