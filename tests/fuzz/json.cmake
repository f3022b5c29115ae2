skald_cc_fuzzer(NAME json_fuzzer SRCS json_fuzzer.cc DEPS skald::base
  CORPUS ${CMAKE_CURRENT_SOURCE_DIR}/corpus/json)
